"""The page that visitors open, in three rooms: `session`, what the server does for one visitor, with no gradio in it;
`components`, pieces in gradio and JavaScript that know nothing of methods; `panels`, the tabs, made of both."""

from longsight.processor import wait_asleep

wait_asleep()  # before any module of the page imports torch
