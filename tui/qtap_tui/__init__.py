"""The screen of qtap-tui: a view of the engine's log, and nothing that the engine needs.

`app.run` shows a `feed.Feed`. From the bottom up: `text` (the one gate for captured text), `document` (wrapped lines), `bodies`
(ways to show a body), `details` (the tabs), `view` (which rows a filter finds), `widgets`, `screens`, `app`.
"""
