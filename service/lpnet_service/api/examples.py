"""Examples of request bodies, by the name of their operation. Endpoints of agents have none."""

from __future__ import annotations

from typing import Any

_TARGET = "rack-3.onnxruntime.cpu.fp32.t1"
_SPACE = "resnet20"
_HASH = "5f0c" * 16
_CAMPAIGN: dict[str, Any] = {
    "target": _TARGET,
    "space": _SPACE,
    "blocks": 300,
    "networks": 40,
    "pruned": 10,
    "repeats": 16,
    "seed": 0,
}
_CONV: dict[str, Any] = {
    "type": "conv2d",
    "c_in": 16,
    "c_out": 32,
    "h": 56,
    "w": 56,
    "kernel": [3, 3],
    "stride": [1, 1],
}

EXAMPLES: dict[str, Any] = {
    "predict": {
        "target": _TARGET,
        "space": _SPACE,
        "widths": [{}, {"layer1.0.conv1": 8, "layer2.0.conv1": 24}],
        "gradient": True,
    },
    "draw_curves": {"targets": [_TARGET], "space": _SPACE, "width": "layer1.0.conv1"},
    "start_campaign": _CAMPAIGN,
    "estimate_campaign": _CAMPAIGN,
    "start_training": {"seed": 0},
    "start_study": {"samples": 200, "seed": 0},
    "store_samples": {
        "target": "my-phone",
        "samples": [
            {
                "kind": "block",
                "workload": {"ops": [_CONV], "batch": 1},
                "latency_ms": 1.25,
                "measured_at": "2026-11-30T12:00:00Z",
            }
        ],
    },
    "report_pruning": {
        "id": "pruning-0123456789abcdef01234567",
        "job": "prune-0123456789abcdef01234567",
        "round": 1,
        "chosen": True,
        "target": _TARGET,
        "space": _HASH,
        "method": "wgates",
        "model": "resnet20",
        "data": "digits",
        "seed": 0,
        "budget_ms": 1.2,
        "dense_predicted_ms": 2.05,
        "predicted_ms": 1.19,
        "measured_ms": 1.18,
        "accuracy_before": 0.991,
        "accuracy_after": 0.986,
        "macs_before": 40_800_000,
        "macs_after": 21_500_000,
        "params_before": 272_474,
        "params_after": 131_000,
        "widths": {"layer1.0.conv1": 8},
        "created_at": "2026-11-30T12:00:00Z",
        "lpnet_version": "0.1.0",
    },
    "open_session": {"token": "lpnet_..."},
}
