"""A visit goes on when its page is loaded again. The browser tab names it by a token that it drew itself, keeps only
from one page to the next, and tells nobody but the server."""

import re
from collections.abc import Iterable
from hmac import compare_digest

from app.session.sessions import Session

TOKEN = re.compile(r"[0-9a-f]{32}")
"""128 random bits: nobody guesses one."""

SCRIPT = """
longsight.visit = (() => {
  const name = 'longsight-visit', bytes = crypto.getRandomValues(new Uint8Array(16));
  let known = null;
  try {
    known = sessionStorage.getItem(name);
    sessionStorage.removeItem(name);  // a copy of this tab must not find it
    addEventListener('pagehide', () => sessionStorage.setItem(name, longsight.visit));
    addEventListener('pageshow', ({persisted}) => { if (persisted) sessionStorage.removeItem(name); });
  } catch { /* a browser that keeps nothing begins afresh */ }
  return known ?? Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
})();
"""
TOLD = "() => longsight.visit"
"""JavaScript: the token of this tab's visit."""


def session_for(token: object, sessions: Iterable[Session]) -> Session:
    """The session of a page whose tab names its visit so. It goes on with what an earlier page of the same visit held,
    where that is one of the `sessions` that the server still has; that page, if it is open, holds nothing any more."""
    session = Session()
    session.opened = True
    if not isinstance(token, str) or not TOKEN.fullmatch(token):
        return session
    session.visit = token
    for other in sessions:
        if compare_digest(other.visit, token):
            session.take_over(other)
    return session
