//! `docs/dashboards.md` and `docs/alerts.md`, from the tables of dashboards and alerts.

use super::{
    alerts::{ALERTS, NAMES},
    dashboards::{self, Shape},
};
use std::fmt::Write as _;

const DASHBOARDS_HEAD: &str = "\
# Dashboards

Six dashboards for Grafana 9 and later. They are in the folder `dashboards/` of the sources and in the program itself:

    cardlink-obs dashboards export /var/lib/grafana/dashboards

Import them in Grafana (Dashboards → New → Import), or let Grafana read the folder:

```yaml
# /etc/grafana/provisioning/dashboards/cardlink-obs.yaml
apiVersion: 1
providers:
  - name: cardlink-obs
    folder: cardlink-obs
    type: file
    options:
      path: /var/lib/grafana/dashboards
```

Each asks for a Prometheus data source, the agents (by `instance`) and the targets. Give Grafana's data source the scrape interval
that Prometheus has: rates are taken over four of them. Dashboards lead to each other and keep the chosen time.

Colours are limits that fit most hosts, not alerts; [alerts](alerts.md) have limits of their own. Numbers of the chosen time are
`increase()`, which extrapolates: they need not be whole.

What a panel shows is [a metric](metrics.md) of the agent: a test fails when one is named that does not exist, or when one has no
panel. Another scrapes an agent at work with a real Prometheus and runs every query.
";

/// `docs/dashboards.md`.
pub fn dashboards() -> String {
    let mut page = String::from(DASHBOARDS_HEAD);
    for dashboard in dashboards::ALL {
        let _ = write!(page, "\n## {}\n\n`{}`. {}\n\n", dashboard.title, dashboard.file(), dashboard.about);
        page.push_str("| Panel | Shown | What it says |\n|---|---|---|\n");
        for panel in dashboard.shown() {
            let about = panel.about.replace('|', "\\|");
            let _ = writeln!(page, "| {} | {} | {about} |", panel.title, shown(panel.shape));
        }
    }
    page
}

const fn shown(shape: Shape) -> &'static str {
    match shape {
        Shape::Row => "heading",
        Shape::Stat => "number",
        Shape::Lines => "lines",
        Shape::Stacked => "areas",
        Shape::Bars => "bars",
        Shape::Table => "table",
        Shape::Heat => "heat map",
    }
}

const ALERTS_HEAD: &str = "\
# Alerts

Rules for Prometheus. They are in the folder `alerts/` of the sources and in the program itself:

    cardlink-obs alerts export /etc/prometheus/rules/cardlink-obs.yml
    promtool check rules /etc/prometheus/rules/cardlink-obs.yml

Name the file under `rule_files` in Prometheus' configuration and reload it. Every alert has a severity (`warning`, `critical`),
a summary, a description, and in `runbook_url` a link to its part of this page (`alerts.runbooks` says where the page is).

On a host without devices, without a database and without traffic nothing fires. `promtool test rules alerts/tests.yml` runs, for
each alert, a case in which it fires and one in which it does not.

## Limits

Flags of `alerts export`, variables or the section `[alerts]` of the [configuration](configuration.md#alerts):

    cardlink-obs alerts export --apdu-errors 5% --session-time 10m --least 20 /etc/prometheus/rules/cardlink-obs.yml

The window (`--window`, 10 minutes) must be several scrape intervals long. `--least` keeps a single failure at night from being
100 % of all.

## Names of the platform

Programs that measured themselves had other names for some metrics. `cardlink-obs alerts export --names FILE` writes recording rules
that offer them, for dashboards that ask for those; `--names-prefix` changes what they begin with.

| Name | Is |
|---|---|
";

/// `docs/alerts.md`.
pub fn alerts() -> String {
    let mut page = String::from(ALERTS_HEAD);
    for renamed in NAMES {
        let _ = writeln!(page, "| `{}` | `{}` |", renamed.name, renamed.of);
    }
    for alert in ALERTS {
        let _ = write!(
            page,
            "\n## {}\n\n*{}*, after {}. {}\n",
            alert.name,
            alert.severity.as_str(),
            hold(alert.hold),
            alert.meaning
        );
        let _ = write!(page, "\nUsually: {}\n\n", alert.causes);
        for (number, step) in alert.steps.iter().enumerate() {
            let _ = writeln!(page, "{}. {step}", number + 1);
        }
    }
    page
}

fn hold(hold: &str) -> String {
    if hold == "0m" { String::from("the first evaluation") } else { hold.to_owned() }
}
