"""The page as a WSGI application: guard → route → handler → template. Reading changes nothing; changes are forms."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from daemon.web.desk import Desk
from daemon.web.guard import HEADERS, Asked, refusal
from daemon.web.house import House
from daemon.web.live import Live
from daemon.web.rendering import Rendering, asset
from daemon.web.reviewing import Reviewing, sheet_query, wanted_of
from daemon.web.routes import ROUTES
from daemon.web.sessions import SESSION_SECONDS, Sessions
from daemon.web.stewarding import Stewarding, Word, word_of
from daemon.web.wording import LANGUAGES
from jobs.domain.errors import IaipError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

log = structlog.get_logger()

KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


class Site:
    """Answers requests in the server's threads; one form at a time."""

    def __init__(self, house: House, sessions: Sessions, port: int) -> None:
        self._sessions = sessions
        self._port = port
        self._cookie = f"iaip-{port}"  # cookies know no ports: two homes' pages must not throw each other out
        self._rendering = Rendering()
        self._desk = Desk(house)
        self._reviewing = Reviewing(house)
        self._stewarding = Stewarding(house)
        self._live = Live()
        self._changing = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        response = self._answer(request)
        response.headers.update(HEADERS)
        return response(environ, start_response)

    def stop(self) -> None:
        """Ends the streams, so that the server's threads can end."""
        self._live.stop()

    def _answer(self, request: Request) -> Response:
        reason = refusal(self._asked(request), self._port)
        if reason is not None:
            return self._refused(request, reason)
        try:
            endpoint, values = ROUTES.bind("", path_info=request.path).match(method=request.method)
            handler: Callable[..., Response] = getattr(self, f"_{endpoint}")
            return handler(request, **values)
        except KeyError:
            return self._page(request, "problem", 404, key="problem.not-found", error=None)
        except HTTPException as error:
            code = error.code or 400
            key = "problem.not-found" if isinstance(error, NotFound) else "problem.not-so"
            return self._page(request, "problem", code, key=key, error=None)
        except IaipError as error:
            return self._page(request, "problem", 409, key="problem.refused", error=error)
        except Exception:  # the boundary of a request: the log gets the traceback, the reader a word
            log.exception("a request to the page failed")
            return self._page(request, "problem", 500, key="problem.ours", error=None)

    def _asked(self, request: Request) -> Asked:
        return Asked(
            method=request.method,
            path=request.path,
            host=request.environ.get("HTTP_HOST", ""),
            origin=request.headers.get("Origin", ""),
            fetch_site=request.headers.get("Sec-Fetch-Site", ""),
            purpose=request.headers.get("Sec-Purpose", ""),
            has_session=self._sessions.knows(request.cookies.get(self._cookie, "")),
        )

    def _refused(self, request: Request, reason: str) -> Response:
        code = 421 if reason == "wrong-host" else 403
        return self._page(request, "refused", code, key=f"refused.{reason}")

    def _page(self, request: Request, template: str, code: int = 200, **values: Any) -> Response:
        text = self._rendering.render(template, _language(request), here=request.path, **values)
        return Response(text, code, mimetype="text/html")

    def _enter(self, request: Request, link: str) -> Response:
        session = None if request.method == "HEAD" else self._sessions.enter(link)
        if session is None:
            return self._refused(request, "used-link")
        response = redirect("/", 303)
        response.set_cookie(
            self._cookie, session, max_age=int(SESSION_SECONDS), path="/", httponly=True, samesite="Strict"
        )
        return response

    def _asset(self, request: Request, name: str) -> Response:
        return Response(asset(name), mimetype=KINDS[name.rpartition(".")[2]])

    def _home(self, request: Request) -> Response:
        return self._page(request, "home", **self._desk.home())

    def _jobs(self, request: Request) -> Response:
        return self._page(request, "jobs", **self._desk.jobs(request.args.get("before", None, type=_row_number)))

    def _runs(self, request: Request) -> Response:
        return self._page(request, "runs", **self._desk.runs())

    def _run(self, request: Request, number: int) -> Response:
        return self._page(request, "run", **self._desk.run(number), whole=request.args.get("queries") == "all")

    def _releases(self, request: Request) -> Response:
        return self._page(request, "releases", **self._desk.releases())

    def _release(self, request: Request, name: str) -> Response:
        return self._page(request, "release", **self._desk.release(name), whole=request.args.get("notes") == "all")

    def _rollback(self, request: Request, name: str) -> Response:
        if request.method != "POST":
            return self._page(request, "rollback", **self._desk.release(name))
        with self._changing:
            self._desk.roll_back(name, _now())
        return redirect(f"/releases/{name}", 303)

    def _rows(self, request: Request) -> Response:
        return self._page(request, "rows", **self._reviewing.overview())

    def _sheet(self, request: Request, dataset: str) -> Response:
        return self._page(request, "sheet", **self._reviewing.sheet(dataset, request.args, _start(request)))

    def _leave_out(self, request: Request, dataset: str, digest: str) -> Response:
        with self._changing:
            self._reviewing.leave_out(dataset, digest, _now())
        return redirect(_sheet_address(request, dataset, digest), 303)

    def _take_back(self, request: Request, digest: str) -> Response:
        with self._changing:
            self._reviewing.take_back(digest)
        dataset = request.args.get("dataset", "")
        return redirect(
            _sheet_address(request, dataset, digest) if dataset.isascii() and dataset.isalnum() else "/rows", 303
        )

    def _consent(self, request: Request) -> Response:
        return self._page(request, "consent", **self._stewarding.coverage())

    def _classify(self, request: Request) -> Response:
        if request.method != "POST":
            return self._page(request, "classify", **self._stewarding.preview(_word(request.args)))
        form = request.form
        with self._changing:
            self._stewarding.classify(_word(form), shown=form.get("shown", ""), freeing=form.get("freeing") == "yes")
        return redirect("/consent", 303)

    def _report(self, request: Request) -> Response:
        return self._page(request, "report", **self._stewarding.report())

    def _pace(self, request: Request) -> Response:
        return self._page(request, "pace", **self._desk.pace(_now()))

    def _lineage(self, request: Request) -> Response:
        return self._page(request, "lineage", **self._desk.lineage(request.args.get("note", "").strip()))

    def _alerts(self, request: Request) -> Response:
        return self._page(request, "alerts", **self._desk.alerts())

    def _acknowledge(self, request: Request, number: int) -> Response:
        self._desk.acknowledge(number, _now())
        return redirect("/alerts", 303)

    def _judge(self, request: Request) -> Response:
        return self._page(request, "judge", **self._desk.questions())

    def _question(self, request: Request) -> Response:
        query_set, query = request.args.get("set", ""), request.args.get("query", "")
        if request.method != "POST":
            return self._page(request, "question", **self._desk.question(query_set, query))
        with self._changing:
            following = self._desk.judge(query_set, query, request.form)
        return redirect(following, 303)

    def _live_home(self, request: Request) -> Response:
        def parts() -> dict[str, str]:
            return self._parts(request, ("well", "wanting", "now", "gained", "queue"), self._desk.home())

        return self._live.response(parts)

    def _live_pace(self, request: Request) -> Response:
        def parts() -> dict[str, str]:
            return self._parts(request, ("pace",), self._desk.pace(_now()))

        return self._live.response(parts)

    def _live_run(self, request: Request, number: int) -> Response:
        def parts() -> dict[str, str]:
            values = self._desk.run_live(number)
            told = self._parts(request, ("stages", "curves"), values)
            return told if values["run"].state == "active" else {**told, "ended": "The page is to be loaded again."}

        parts()  # an unknown run is said before the stream begins
        return self._live.response(parts)

    def _parts(self, request: Request, names: tuple[str, ...], values: dict[str, Any]) -> dict[str, str]:
        return {name: self._rendering.render(f"parts/{name}", _language(request), **values) for name in names}


def _language(request: Request) -> str:
    return request.accept_languages.best_match(LANGUAGES, default="en")


def _word(form: MultiDict[str, str]) -> Word:
    return word_of(form.getlist("folder"), form.get("other", ""), form.get("as", ""))


def _start(request: Request) -> int:
    return request.args.get("from", 0, type=_row_number)


def _sheet_address(request: Request, dataset: str, digest: str) -> str:
    """Back to where the row was seen."""
    return f"/rows/{dataset}{sheet_query(wanted_of(request.args), _start(request))}#row-{digest}"


def _row_number(text: str) -> int:
    """Raises ValueError for what SQLite could not count to."""
    number = int(text)
    if not 0 <= number < 1 << 63:
        raise ValueError(text)
    return number


def _now() -> datetime:
    return datetime.now(UTC)
