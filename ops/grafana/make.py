#!/usr/bin/env python3
"""Writes the dashboards (*.json) from what dashboards.py says, so that all are of one kind.

make.py            writes them
make.py --check    says which are stale, and exits 1 when one is
make.py --queries  prints every query, one on a line, as Prometheus itself takes them
"""

import json
import sys
from pathlib import Path

from dashboards import DASHBOARDS

HERE = Path(__file__).parent
COLUMNS = 24
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
# What Grafana fills in, for who asks Prometheus without it.
VARIABLES = {"$__rate_interval": "1m", "$__range": "1h"}


def thresholds(panel):
    """The first colour is that below the first step."""
    colours = [{"color": panel["base"], "value": None}]
    return {"mode": "absolute", "steps": colours + [{"color": c, "value": v} for c, v in panel["steps"]]}


def field_config(panel):
    defaults = {"unit": panel["unit"], "thresholds": thresholds(panel)}
    if panel["least"] is not None:
        defaults["min"] = panel["least"]
    if panel["most"] is not None:
        defaults["max"] = panel["most"]
    if panel["kind"] == "timeseries":
        defaults["color"] = {"mode": "palette-classic"}
        defaults["custom"] = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 30 if panel["stacked"] else 8,
            "showPoints": "never",
            "spanNulls": False,
            "stacking": {"mode": "normal" if panel["stacked"] else "none", "group": "A"},
            "thresholdsStyle": {"mode": "dashed" if panel["steps"] else "off"},
        }
    else:
        defaults["color"] = {"mode": "thresholds"}
    if panel["texts"]:
        options = {str(value): {"text": text} for value, text in panel["texts"].items()}
        defaults["mappings"] = [{"type": "value", "options": options}]
    return {"defaults": defaults, "overrides": []}


def options(panel):
    if panel["kind"] == "timeseries":
        return {
            "legend": {"displayMode": "table", "placement": "bottom", "showLegend": True,
                       "calcs": ["lastNotNull", "max"]},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    reduce = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    if panel["kind"] == "stat":
        return {"reduceOptions": reduce, "colorMode": "background", "graphMode": "none",
                "textMode": "auto", "justifyMode": "auto", "orientation": "auto"}
    return {"reduceOptions": reduce, "displayMode": "gradient", "orientation": "horizontal",
            "showUnfilled": True, "valueMode": "color"}


def targets(panel):
    instant = panel["kind"] != "timeseries"
    return [
        {
            "refId": chr(ord("A") + index),
            "datasource": DATASOURCE,
            "editorMode": "code",
            "expr": expression,
            "legendFormat": legend,
            "instant": instant,
            "range": not instant,
        }
        for index, (expression, legend) in enumerate(panel["queries"])
    ]


def panels(rows):
    """Rows from top to bottom, and in each the panels from left to right."""
    made, y = [], 0
    for title, row in rows:
        made.append({"id": len(made) + 1, "type": "row", "title": title, "collapsed": False,
                     "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": y}, "panels": []})
        y, x, height = y + 1, 0, 0
        for panel in row:
            if x + panel["width"] > COLUMNS:
                y, x, height = y + height, 0, 0
            height = max(height, panel["height"])
            made.append({
                "id": len(made) + 1,
                "type": panel["kind"],
                "title": panel["title"],
                "description": panel["about"],
                "datasource": DATASOURCE,
                "gridPos": {"h": panel["height"], "w": panel["width"], "x": x, "y": y},
                "fieldConfig": field_config(panel),
                "options": options(panel),
                "targets": targets(panel),
            })
            x += panel["width"]
        y += height
    return made


def dashboard(name, title, about, rows):
    datasource = {"name": "datasource", "label": "Prometheus", "type": "datasource",
                  "query": "prometheus", "refresh": 1, "hide": 0, "multi": False,
                  "includeAll": False, "regex": "", "options": [], "current": {}}
    return {
        "uid": f"stagedoor-{name}",
        "title": f"Stagedoor: {title}",
        "description": about,
        "tags": ["stagedoor"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "time": {"from": "now-3h", "to": "now"},
        "refresh": "30s",
        "templating": {"list": [datasource]},
        "annotations": {"list": []},
        "links": [{"type": "dashboards", "title": "Stagedoor", "tags": ["stagedoor"], "asDropdown": True,
                   "includeVars": True, "keepTime": True, "icon": "external link", "targetBlank": False,
                   "tooltip": "", "url": ""}],
        "panels": panels(rows),
    }


def queries():
    for _, _, _, rows in DASHBOARDS:
        for _, row in rows:
            for panel in row:
                for expression, _ in panel["queries"]:
                    for name, value in VARIABLES.items():
                        expression = expression.replace(name, value)
                    yield expression


def main(arguments):
    if arguments == ["--queries"]:
        print("\n".join(queries()))
        return 0
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    made = {
        HERE / f"{one[0]}.json": json.dumps(dashboard(*one), indent=1, ensure_ascii=False) + "\n"
        for one in DASHBOARDS
    }
    if not arguments:
        for path, text in made.items():
            path.write_text(text, encoding="utf-8")
        return 0
    stale = [path.name for path, text in made.items()
             if not path.exists() or path.read_text(encoding="utf-8") != text]
    stale += [path.name for path in HERE.glob("*.json") if path not in made]
    for name in sorted(stale):
        print(f"{name} is stale; run ops/grafana/make.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
