// From HTML text to nodes that can do nothing: the only place where text of a model becomes
// elements.
import createDOMPurify, { type Config } from 'dompurify';

const CONFIG: Config = {
  RETURN_DOM_FRAGMENT: true,
  ALLOWED_TAGS: [
    ...['a', 'blockquote', 'br', 'code', 'del', 'em', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'hr', 'li', 'ol', 'p'],
    ...['pre', 's', 'span', 'strong', 'table', 'tbody', 'td', 'th', 'thead', 'tr', 'ul'],
  ],
  ALLOWED_ATTR: ['class', 'href', 'start', 'align'],
  ADD_URI_SAFE_ATTR: ['start', 'align'], // no addresses
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
};

let purifier: ReturnType<typeof createDOMPurify> | null = null;

export function sanitize(html: string): DocumentFragment {
  purifier ??= createDOMPurify(window);
  return purifier.sanitize(html, CONFIG) as unknown as DocumentFragment;
}

// The host that a link leads to, or null where it must not lead.
export function hostOf(href: string): string | null {
  try {
    const url = new URL(href);
    if (url.protocol === 'mailto:') return url.pathname;
    return url.protocol === 'https:' || url.protocol === 'http:' ? url.host : null;
  } catch {
    return null;
  }
}
