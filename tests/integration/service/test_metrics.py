"""Metrics say what happened and what is stored; their page and their alerts say the same."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families as parse

from lpnet.schemas.campaign import Completion, NewCampaign
from lpnet.schemas.condition import ConditionReport
from lpnet.schemas.lpnet import NewTraining
from lpnet.schemas.sample import SampleBatch
from lpnet_service.api.app import Application
from lpnet_service.api.families import OTHER
from lpnet_service.db.rows import ArtifactRow, LPNetRow
from lpnet_service.services.learning import runs, trainings
from lpnet_service.services.measuring import campaigns, conditions, ingest, job_completion, leasing
from lpnet_service.services.reading import metrics
from lpnet_service.services.shared.context import context
from lpnet_service.services.upkeep.sweeping import sweep

Bench = Any
Labels = frozenset[tuple[str, str]]
DOCS = Path(__file__).parents[3] / "docs" / "operate"


@pytest.fixture
def http(bench: Bench) -> Iterator[TestClient]:
    with TestClient(Application(bench.ctx), raise_server_exceptions=False) as client:
        yield client


def scrape(http: TestClient) -> dict[tuple[str, Labels], float]:
    """Every sample of a scrape, by its name and labels."""
    answer = http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse(answer.text)
        for sample in family.samples
    }


def value(values: dict[tuple[str, Labels], float], name: str, **labels: str) -> float:
    return values[name, frozenset(labels.items())]


def campaign(bench: Bench, blocks: int = 1) -> None:
    new = NewCampaign(
        target=bench.target,
        space=bench.space.hash,
        blocks=blocks,
        networks=0,
        pruned=0,
        repeats=0,
    )
    campaigns.create(bench.ctx, new)


def test_requests_are_counted_by_route_and_status(http: TestClient, bench: Bench) -> None:
    for name in (bench.target, bench.target, "nobody"):
        http.get(f"/v1/targets/{name}")
    http.get("/nowhere/1")
    http.get("/nowhere/2")
    http.request("BREW", "/nowhere")
    values = scrape(http)
    requests = {
        tuple(dict(labels)[name] for name in ("method", "route", "status")): count
        for (name, labels), count in values.items()
        if name == "lpnet_http_requests_total"
    }
    assert requests == {
        ("GET", "/v1/targets/{name}", "200"): 2,
        ("GET", "/v1/targets/{name}", "404"): 1,
        ("GET", "unmatched", "404"): 2,
        ("other", "unmatched", "404"): 1,
    }
    route = {"method": "GET", "route": "/v1/targets/{name}"}
    assert value(values, "lpnet_http_request_duration_seconds_count", **route) == 3
    assert value(values, "lpnet_http_request_duration_seconds_sum", **route) > 0
    # The scrape itself.
    assert value(values, "lpnet_http_requests_in_progress") == 1


def test_lease_polls_are_held_apart(http: TestClient, bench: Bench) -> None:
    path = f"/v1/agents/{bench.agent}/leases"
    request = {"targets": [bench.target], "wait_s": 0}
    http.post(path, json=request)
    campaign(bench)
    http.post(path, json=request)
    values = scrape(http)
    for status in ("200", "204"):
        assert value(values, "lpnet_lease_poll_duration_seconds_count", status=status) == 1
    timed = {dict(labels).get("route") for name, labels in values if "_request_duration_" in name}
    assert "/v1/agents/{id}/leases" not in timed
    assert value(values, "lpnet_lease_polls_in_progress") == 0


def test_work_is_counted_by_state_and_age(http: TestClient, bench: Bench) -> None:
    ctx = bench.ctx
    began = bench.clock.now()
    campaign(bench, blocks=60)
    lease = leasing.claim(ctx, bench.agent, [bench.target])
    assert lease is not None
    done = Completion(samples=tuple(_measured(bench, item) for item in lease.items))
    job_completion.complete(ctx, leasing.find_job(ctx, lease.token), done)
    assert leasing.claim(ctx, bench.agent, [bench.target])
    bench.clock.advance(ctx.settings.lease_s + 1)
    values = scrape(http)
    jobs = {"done": 1, "expired": 1, "queued": 1}
    for state in ("queued", "running", "expired", "done", "failed", "cancelled"):
        assert value(values, "lpnet_jobs", state=state) == jobs.get(state, 0)
    age = (bench.clock.now() - began).total_seconds()
    assert value(values, "lpnet_jobs_oldest_waiting_seconds") == age
    assert value(values, "lpnet_job_attempts_lost") == 1
    assert value(values, "lpnet_campaigns", state="running") == 1
    assert value(values, "lpnet_samples", target=bench.target) == len(done.samples)


def _measured(bench: Bench, item: Any) -> Any:
    fields = item.model_dump(include={"id", "kind", "draw"})
    return bench.sample(workload=item.workload.model_dump(), **fields)


def test_runs_are_counted_with_the_time_they_took(bench: Bench) -> None:
    ctx = bench.ctx
    ingest.store(ctx, SampleBatch(target=bench.target, samples=(bench.sample(),)))
    for _ in range(3):
        trainings.start(ctx, bench.target, NewTraining())
    bench.clock.advance(100)
    for seconds in (7.5, 2.5):
        run = runs.claim(ctx)
        assert run is not None
        bench.clock.advance(seconds)
        runs.fail(ctx, run, "no reason")
    with TestClient(Application(ctx)) as http:
        values = scrape(http)
    kind = {"kind": "training"}
    assert value(values, "lpnet_runs", **kind, state="failed") == 2
    assert value(values, "lpnet_runs", **kind, state="queued") == 1
    assert value(values, "lpnet_run_duration_seconds_count", **kind, state="failed") == 2
    took = value(values, "lpnet_run_duration_seconds_sum", **kind, state="failed")
    assert took == pytest.approx(10.0, abs=1e-3)
    assert value(values, "lpnet_runs_oldest_waiting_seconds") == 110.0
    assert value(values, "lpnet_run_attempts_lost") == 2


def test_a_run_that_is_taken_over_is_lost_once(bench: Bench) -> None:
    ctx = bench.ctx
    ingest.store(ctx, SampleBatch(target=bench.target, samples=(bench.sample(),)))
    trainings.start(ctx, bench.target, NewTraining())
    for _ in range(ctx.settings.max_attempts):
        assert runs.claim(ctx)
        bench.clock.advance(ctx.settings.run_lease_s + 1)
    sweep(ctx)
    with TestClient(Application(ctx)) as http:
        values = scrape(http)
    assert value(values, "lpnet_runs", kind="training", state="failed") == 1
    assert value(values, "lpnet_run_attempts_lost") == ctx.settings.max_attempts


def test_devices_targets_and_what_was_learned(bench: Bench) -> None:
    ctx = bench.ctx
    samples = [
        bench.sample(disturbed=n < 1, workload=bench.workload(stem=4 + n)) for n in range(4)
    ]
    sentinel = bench.sample(sentinel="memory", disturbed=True)
    ingest.store(ctx, SampleBatch(target=bench.target, samples=(*samples, sentinel)))
    condition = ConditionReport(
        target=bench.target, state="broken", reason="drifted", cause="sentinel"
    )
    conditions.report(ctx, bench.agent, condition)
    _lpnet(bench, 4.5)
    with TestClient(Application(ctx)) as http:
        values = scrape(http)
    target = {"target": bench.target}
    assert value(values, "lpnet_samples", **target) == 4
    assert value(values, "lpnet_samples_disturbed_ratio", **target) == 0.25
    assert value(values, "lpnet_targets", device="desk", state="broken") == 1
    assert value(values, "lpnet_targets", device="desk", state="idle") == 0
    heard = value(values, "lpnet_agent_last_seen_timestamp_seconds", device="desk")
    assert heard == bench.clock.now().timestamp()
    assert value(values, "lpnet_lpnets_active") == 1
    assert value(values, "lpnet_lpnet_network_error_ratio", **target) == 0.045


def _lpnet(bench: Bench, error_pct: float) -> None:
    now = bench.clock.now()
    with bench.ctx.db.write() as session:
        session.add(ArtifactRow(sha256="0" * 64, content=b"", created_at=now))
        session.flush()
        session.add(
            LPNetRow(
                id="lpnet-" + "0" * 24,
                target=bench.target,
                version=1,
                epoch=1,
                active=True,
                seed=0,
                network_mape_pct=error_pct,
                batches_json="[]",
                weights_sha256="0" * 64,
                report_json="{}",
                created_at=now,
            )
        )


def test_names_are_bounded_and_the_rest_is_one(lite_bench: Bench) -> None:
    ctx = context(
        lite_bench.ctx.settings.model_copy(update={"metrics_names": 2}),
        db=lite_bench.ctx.db,
        clock=lite_bench.clock,
    )
    for number in range(4):
        samples = tuple(
            lite_bench.sample(disturbed=n < number, workload={"ops": [_OP | {"c_out": 8 + n}]})
            for n in range(4)
        )
        batch = SampleBatch(target=f"table-{number}", samples=samples)
        ingest.store(ctx, batch, create=True)
    with TestClient(Application(ctx)) as http:
        values = scrape(http)
    named = {dict(labels)["target"] for name, labels in values if name == "lpnet_samples"}
    assert named == {"desk-cpu", "table-0", OTHER}
    assert value(values, "lpnet_samples", target=OTHER) == 12
    assert value(values, "lpnet_samples_disturbed_ratio", target=OTHER) == 0.75
    devices = {dict(labels)["device"] for name, labels in values if name == "lpnet_targets"}
    assert devices == {"desk", "table-0", OTHER}
    assert value(values, "lpnet_targets", device=OTHER, state="imported") == 3


_OP = {"type": "linear", "c_in": 8}


def test_a_database_that_is_gone_leaves_the_other_metrics(lite_bench: Bench) -> None:
    with TestClient(Application(lite_bench.ctx)) as http:
        http.get("/healthz")
        with lite_bench.ctx.db.write() as session:
            session.connection().exec_driver_sql("ALTER TABLE jobs RENAME TO hidden")
        values = scrape(http)
    assert value(values, "lpnet_database_up") == 0
    route = {"method": "GET", "route": "/healthz", "status": "200"}
    assert value(values, "lpnet_http_requests_total", **route) == 1
    assert not any(name == "lpnet_jobs" for name, _ in values)


def test_figures_are_kept_for_a_while(lite_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("lpnet_service.services.reading.metrics.time.monotonic", lambda: now[0])
    kept = metrics.CachedMetrics(lite_bench.ctx)
    first = kept.get()
    assert first is not None
    now[0] += 4.9
    assert kept.get() is first
    now[0] += 0.2 + 20 * first.read_s
    assert kept.get() is not first


def test_openmetrics_is_answered_where_it_is_asked_for(http: TestClient) -> None:
    answer = http.get("/metrics", headers={"Accept": "application/openmetrics-text"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


# The page, the alerts and the scrape configuration.


def exposed(lite_bench: Bench) -> dict[str, str]:
    """Names of all that is exposed, as the page writes them, and their types."""
    with TestClient(Application(lite_bench.ctx)) as http:
        http.get("/healthz")
        families = list(parse(http.get("/metrics").text))
    suffix = {"counter": "_total"}
    return {family.name + suffix.get(family.type, ""): family.type for family in families}


def test_the_page_lists_what_is_exposed(lite_bench: Bench) -> None:
    rows = re.findall(r"^\| `(lpnet_\w+)` \| (\w+)", (DOCS / "metrics.md").read_text(), re.M)
    assert len(rows) == len(dict(rows))
    assert dict(rows) == exposed(lite_bench)


def series_of(lite_bench: Bench) -> set[str]:
    exposed_names = exposed(lite_bench)
    return set(exposed_names) | {
        name + suffix
        for name, kind in exposed_names.items()
        for suffix in ("_bucket", "_sum", "_count")
        if kind in ("histogram", "summary")
    }


def test_the_dashboard_is_of_metrics_that_exist(lite_bench: Bench) -> None:
    dashboard = json.loads((DOCS / "grafana" / "lpnet.json").read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) > 5
    series = series_of(lite_bench)
    for panel in panels:
        assert panel["description"]
        for query in panel["targets"]:
            named = set(re.findall(r"\blpnet_\w+", query["expr"]))
            assert named, panel["title"]
            assert named <= series, panel["title"]


def test_the_alerts_are_of_metrics_that_exist(lite_bench: Bench) -> None:
    series = series_of(lite_bench)
    page = (DOCS / "metrics.md").read_text()
    rules = yaml.safe_load((DOCS / "prometheus" / "alerts.yml").read_text())
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]
    assert alerts
    for alert in alerts:
        named = set(re.findall(r"\blpnet_\w+", alert["expr"]))
        assert named <= series, alert["alert"]
        assert named or alert["alert"] == "LpnetDown"
        assert alert["labels"]["severity"] in ("page", "ticket")
        assert alert["annotations"]["summary"]
        assert f"`{alert['alert']}`" in page or alert["alert"] == "LpnetDown"
    named = set(re.findall(r"`(Lpnet\w+)`", page))
    assert named <= {alert["alert"] for alert in alerts}


def test_the_scrape_configuration_asks_for_the_route(lite_bench: Bench) -> None:
    config_ = yaml.safe_load((DOCS / "prometheus" / "prometheus.yml").read_text())
    (job,) = config_["scrape_configs"]
    assert job["metrics_path"] in Application(lite_bench.ctx).openapi()["paths"]
    for name in config_["rule_files"]:
        assert (DOCS / "prometheus" / name).exists()
