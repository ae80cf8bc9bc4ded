"""Rules, metrics and usage that mean nothing are refused in one line, before a log is read."""

from collections.abc import Callable
from pathlib import Path

import pytest

OLD, NEW = "random", "linucb"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "needs the histogram"),
        ('tipbandit_request_seconds_bucket{endpoint="/score",le="x"} 1', "is not the text"),
        ('tipbandit_request_seconds_bucket{endpoint="/score",le="0.1"} 1', "needs the histogram"),
        ('tipbandit_request_seconds_bucket{endpoint="/score",le="+Inf"} 0', "tells of no request"),
        (
            'tipbandit_request_seconds_bucket{endpoint="/score",le="+Inf"} nan',
            "must end in a finite count",
        ),
    ],
)
def test_bad_metrics_are_refused(text: str, said: str, tmp_path: Path, refused: Callable) -> None:
    """Before the log is read."""
    (tmp_path / "m").write_text(text)
    asked = ("gate", tmp_path / "none", "--champion", OLD, "--challenger", NEW)
    assert said in refused(*asked, "--metrics", tmp_path / "m")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("margin = ", "is not TOML"),
        ("ess = 3", "keys are margin, estimator, "),
        ("[gate]\nmargin = 0", "keys are margin, "),
        ('margin = "0"', "margin: must be a number, found '0'"),
        ("min_ess = true", "min_ess: must be a number, found True"),
        ("min_ess = 1" + "0" * 400, "min_ess: must be finite"),
        ("min_ess = 1" + "0" * 5000, "is not TOML"),
        ("margin = inf", "margin: must be finite"),
        ("margin = nan", "margin: must be finite"),
        ("level = 0.5", "level: must be between 0.5 and 1"),
        ("min_ess = -1", "min_ess: must not be negative"),
        ("min_support = 1.1", "min_support: must be in [0, 1]"),
        ("min_users = 1", "min_users: must be at least 2"),
        ("slice_floor = -0.1", "slice_floor: must not be negative"),
        ("latency_p99_ms = 0", "latency_p99_ms: must be positive"),
        ("estimator = 3", "estimator: must be a string, found 3"),
        ('estimator = "dm"', "estimator: must be one of ips, "),
        ('estimator = "auto"', "estimator: must be one of ips, "),
        ('estimator = "switch-dr:x=2"', "takes only tau"),
        ('interval = "auto"', "interval: must be one of cluster-t, "),
        ('audit = "no"', "audit: must be one of required, if-possible"),
        ('served = "yes"', "served: must be one of if-given, required"),
        ('verdict = "unreliable"', "verdict: must be one of reliable, caution"),
    ],
)
def test_bad_rules_are_refused(text: str, said: str, tmp_path: Path, refused: Callable) -> None:
    """One line that names the key, before the log is read."""
    (tmp_path / "rules.toml").write_text(text)
    asked = ("gate", tmp_path / "none", "--champion", OLD, "--challenger", NEW)
    assert said in refused(*asked, "--rules", tmp_path / "rules.toml")


def test_bad_usage_is_refused(file: Path, tmp_path: Path, refused: Callable) -> None:
    """Two policies that differ, files that are there, a folder that can be one."""
    both = ("--champion", "random", "--challenger", "linucb")
    asked = ("gate", file)
    assert "another policy" in refused(*asked, "--champion", "random", "--challenger", "random")
    assert "must be one of" in refused(*asked, "--champion", "best", "--challenger", "random")
    assert "cannot be read" in refused(*asked, *both, "--rules", tmp_path / "none")
    assert "cannot be read" in refused(*asked, *both, "--metrics", tmp_path / "none")
    assert "must be a directory" in refused(*asked, *both, "--out", file)
    assert "no decision is left" in refused(*asked, *both, "--since", "2100-01-01T00:00:00Z")
