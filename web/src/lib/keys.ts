// Whether Enter means "send". Not while an input method composes (Hangul, Kana): that Enter belongs
// to it. 229 is what browsers say of keys that an input method has taken.
export function isSendKey(event: Pick<KeyboardEvent, 'key' | 'shiftKey' | 'isComposing' | 'keyCode'>): boolean {
  return event.key === 'Enter' && !event.shiftKey && !event.isComposing && event.keyCode !== 229;
}
