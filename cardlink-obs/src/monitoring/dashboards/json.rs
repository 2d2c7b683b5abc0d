//! Dashboards in Grafana's JSON model (schema version 37: Grafana 9.1; later ones bring it up to date by themselves).

use super::{Colour, Dashboard, Panel, Query, Shape, Unit};
use serde_json::{Value, json};

const SCHEMA_VERSION: u32 = 37;
/// Columns of Grafana's grid.
const COLUMNS: u8 = 24;

pub fn dashboard(dashboard: &Dashboard) -> Value {
    json!({
        "uid": format!("cardlink-obs-{}", dashboard.name),
        "title": dashboard.title,
        "description": dashboard.about,
        "tags": ["cardlink-obs"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": true,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [{
            "type": "dashboards", "title": "cardlink-obs", "tags": ["cardlink-obs"], "asDropdown": true,
            "includeVars": true, "keepTime": true, "targetBlank": false, "icon": "external link", "tooltip": "", "url": "",
        }],
        "annotations": {"list": []},
        "templating": {"list": variables(dashboard)},
        "panels": panels(dashboard.panels),
    })
}

fn variables(dashboard: &Dashboard) -> Vec<Value> {
    let mut variables = vec![json!({
        "name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus",
        "refresh": 1, "hide": 0, "multi": false, "includeAll": false,
    })];
    variables.push(choice("instance", "Agent", "label_values(cardlink_build_info, instance)"));
    if dashboard.by_target {
        let of = "label_values(cardlink_target_processes{instance=~\"$instance\"}, target)";
        variables.push(choice("target", "Target", of));
    }
    variables
}

/// A variable whose values are those of a label.
fn choice(name: &str, label: &str, query: &str) -> Value {
    json!({
        "name": name, "label": label, "type": "query", "datasource": source(),
        "query": {"query": query, "refId": name}, "definition": query,
        "refresh": 2, "sort": 1, "hide": 0, "multi": true, "includeAll": true, "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"], "selected": true},
    })
}

fn source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

/// Panels flow from left to right, and a row is as high as its highest.
fn panels(panels: &[Panel]) -> Vec<Value> {
    let (mut x, mut y, mut highest) = (0, 0, 0);
    let place = |(index, panel): (usize, &Panel)| {
        if panel.width > COLUMNS - x {
            y += highest;
            (x, highest) = (0, 0);
        }
        let height = height(panel.shape);
        let at = json!({"x": x, "y": y, "w": panel.width, "h": height});
        x += panel.width;
        highest = highest.max(height);
        self::panel(panel, index + 1, &at)
    };
    panels.iter().enumerate().map(place).collect()
}

const fn height(shape: Shape) -> u32 {
    match shape {
        Shape::Row => 1,
        Shape::Stat => 4,
        Shape::Lines | Shape::Stacked | Shape::Bars | Shape::Table | Shape::Heat => 8,
    }
}

fn panel(panel: &Panel, id: usize, at: &Value) -> Value {
    if panel.shape == Shape::Row {
        return json!({
            "id": id, "type": "row", "title": panel.title, "collapsed": false, "gridPos": at, "panels": [],
        });
    }
    json!({
        "id": id,
        "type": kind(panel.shape),
        "title": panel.title,
        "description": panel.about,
        "datasource": source(),
        "gridPos": at,
        "transparent": false,
        "repeatDirection": "h",
        "transformations": if panel.shape == Shape::Table { transformations() } else { json!([]) },
        "fieldConfig": {"defaults": defaults(panel), "overrides": []},
        "options": options(panel.shape),
        "targets": panel.queries.iter().enumerate().map(|(n, query)| target(panel.shape, n, query)).collect::<Vec<_>>(),
    })
}

const fn kind(shape: Shape) -> &'static str {
    match shape {
        Shape::Row => "row",
        Shape::Stat => "stat",
        Shape::Lines | Shape::Stacked => "timeseries",
        Shape::Bars => "bargauge",
        Shape::Table => "table",
        Shape::Heat => "heatmap",
    }
}

fn defaults(panel: &Panel) -> Value {
    let mut steps = vec![json!({"color": Colour::Green.as_str(), "value": null})];
    steps.extend(panel.steps.iter().map(|(from, colour)| json!({"color": colour.as_str(), "value": from})));
    let mut defaults = json!({
        "unit": unit(panel.unit),
        "color": {"mode": if matches!(panel.shape, Shape::Stat | Shape::Bars) { "thresholds" } else { "palette-classic" }},
        "thresholds": {"mode": "absolute", "steps": steps},
        "custom": custom(panel),
        "mappings": [],
        "noValue": "–",
    });
    if panel.shape != Shape::Table
        && let Some(object) = defaults.as_object_mut()
    {
        object.insert("min".into(), json!(0));
    }
    defaults
}

fn unit(unit: Unit) -> &'static str {
    // Grafana takes what it does not know as a suffix, with this before it.
    if unit == Unit::Cores { "suffix: cores" } else { unit.as_str() }
}

fn custom(panel: &Panel) -> Value {
    match panel.shape {
        Shape::Lines => json!({
            "drawStyle": "line", "lineInterpolation": "linear", "lineWidth": 1, "fillOpacity": 10, "showPoints": "auto",
            "spanNulls": false, "stacking": {"mode": "none", "group": "A"},
            "thresholdsStyle": {"mode": if panel.steps.is_empty() { "off" } else { "line" }},
        }),
        Shape::Stacked => json!({
            "drawStyle": "line", "lineInterpolation": "stepAfter", "lineWidth": 1, "fillOpacity": 60, "showPoints": "never",
            "spanNulls": false, "stacking": {"mode": "normal", "group": "A"}, "thresholdsStyle": {"mode": "off"},
        }),
        Shape::Table => json!({"align": "auto", "filterable": true}),
        _ => json!({}),
    }
}

fn options(shape: Shape) -> Value {
    let last = json!({"calcs": ["lastNotNull"], "fields": "", "values": false});
    match shape {
        Shape::Row => json!({}),
        Shape::Stat => json!({
            "reduceOptions": last, "colorMode": "value", "graphMode": "area", "justifyMode": "auto", "textMode": "auto",
            "orientation": "auto",
        }),
        Shape::Lines | Shape::Stacked => json!({
            "legend": {"displayMode": "table", "placement": "bottom", "showLegend": true, "calcs": ["lastNotNull", "max"]},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }),
        Shape::Bars => json!({
            "reduceOptions": last, "displayMode": "basic", "orientation": "horizontal", "showUnfilled": true,
            "minVizHeight": 10, "minVizWidth": 0,
        }),
        Shape::Table => json!({"showHeader": true, "sortBy": [{"displayName": "Value", "desc": true}]}),
        Shape::Heat => json!({
            "calculate": false, "cellGap": 1, "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5,
            "fill": "dark-orange", "reverse": false, "scale": "exponential"}, "yAxis": {"axisPlacement": "left", "unit": "s"},
            "tooltip": {"show": true, "yHistogram": true}, "legend": {"show": true}, "rowsFrame": {"layout": "auto"},
            "exemplars": {"color": "rgba(255,0,255,0.7)"}, "filterValues": {"le": 1e-9}, "showValue": "never",
        }),
    }
}

fn target(shape: Shape, number: usize, query: &Query) -> Value {
    let instant = matches!(shape, Shape::Table | Shape::Bars);
    let format = match shape {
        Shape::Table => "table",
        Shape::Heat => "heatmap",
        _ => "time_series",
    };
    let letter = char::from(b'A' + u8::try_from(number).unwrap_or(25).min(25));
    json!({
        "refId": letter.to_string(),
        "datasource": source(),
        "editorMode": "code",
        "expr": query.promql(),
        "legendFormat": query.legend,
        "format": format,
        "instant": instant,
        "range": !instant,
    })
}

/// The time of an instant query says nothing.
fn transformations() -> Value {
    json!([{"id": "organize", "options": {"excludeByName": {"Time": true}, "indexByName": {}, "renameByName": {}}}])
}
