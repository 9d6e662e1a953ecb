// Before the first paint: the theme and language that were chosen here, so that nothing flashes.
(function () {
  try {
    var root = document.documentElement;
    var theme = localStorage.getItem('maru.theme');
    if (theme) root.dataset.theme = theme;
    var language = localStorage.getItem('maru.language') || navigator.language || 'en';
    root.lang = language.indexOf('ko') === 0 ? 'ko' : 'en';
  } catch (e) {
    // Storage is closed to us: the system's theme it is.
  }
})();
