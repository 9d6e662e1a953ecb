import './app.css';
import './styles/print.css';
import { mount } from 'svelte';
import App from './App.svelte';
import { openWithoutNetwork } from './services/offline';

const target = document.getElementById('app');
if (target) mount(App, { target });
openWithoutNetwork();
