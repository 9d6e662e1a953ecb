// Waits until code is coloured and formulas are typeset in `root`.
export async function settled(root: HTMLElement): Promise<void> {
  await Promise.all([
    root.querySelector('pre') ? import('./highlight') : null,
    root.querySelector('.math') ? import('./typeset') : null,
  ]);
  await new Promise((resolve) => setTimeout(resolve)); // those who asked before have their turn
  await document.fonts.ready;
}
