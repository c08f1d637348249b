"""Every address of the page and the handler of ``site.Site`` that answers it."""

from __future__ import annotations

from werkzeug.routing import Map, Rule

ROUTES = Map(
    [
        Rule("/", endpoint="home", methods=["GET"]),
        Rule("/enter/<link>", endpoint="enter", methods=["GET"]),
        Rule("/jobs", endpoint="jobs", methods=["GET"]),
        Rule("/runs", endpoint="runs", methods=["GET"]),
        Rule("/runs/<int(max=9223372036854775807):number>", endpoint="run", methods=["GET"]),
        Rule("/releases", endpoint="releases", methods=["GET"]),
        Rule("/releases/<name>", endpoint="release", methods=["GET"]),
        Rule("/releases/<name>/rollback", endpoint="rollback", methods=["GET", "POST"]),
        Rule("/rows", endpoint="rows", methods=["GET"]),
        Rule("/rows/left-out/<digest>", endpoint="take_back", methods=["POST"]),
        Rule("/rows/<dataset>", endpoint="sheet", methods=["GET"]),
        Rule("/rows/<dataset>/<digest>", endpoint="leave_out", methods=["POST"]),
        Rule("/consent", endpoint="consent", methods=["GET"]),
        Rule("/consent/classify", endpoint="classify", methods=["GET", "POST"]),
        Rule("/consent/report", endpoint="report", methods=["GET"]),
        Rule("/pace", endpoint="pace", methods=["GET"]),
        Rule("/lineage", endpoint="lineage", methods=["GET"]),
        Rule("/alerts", endpoint="alerts", methods=["GET"]),
        Rule("/alerts/<int(max=9223372036854775807):number>", endpoint="acknowledge", methods=["POST"]),
        Rule("/judge", endpoint="judge", methods=["GET"]),
        Rule("/judge/query", endpoint="question", methods=["GET", "POST"]),
        Rule("/live/home", endpoint="live_home", methods=["GET"]),
        Rule("/live/pace", endpoint="live_pace", methods=["GET"]),
        Rule("/live/runs/<int(max=9223372036854775807):number>", endpoint="live_run", methods=["GET"]),
        Rule("/<any('page.css', 'page.js', 'icon.svg'):name>", endpoint="asset", methods=["GET"]),
    ],
    merge_slashes=False,
    redirect_defaults=False,
    strict_slashes=True,
)
