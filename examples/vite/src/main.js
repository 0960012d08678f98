// Built to assets/index-HASH.js: a name that no other release has for other bytes.
import './style.css';

// A single-page application: every path is this page.
document.querySelector('#path').textContent = `This is ${location.pathname}`;
