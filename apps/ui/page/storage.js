// Values that this browser remembers. Browsers may block storage, so that even naming it throws: then there are none.

const unlessBlocked = (use) => { try { return use(); } catch { return null; } };
const recalled = (key) => unlessBlocked(() => localStorage.getItem(key));
const remember = (key, value) => unlessBlocked(() => localStorage.setItem(key, value));
const unremember = (key) => unlessBlocked(() => localStorage.removeItem(key));
