//! What is given to other programs to look at the metrics with: dashboards for Grafana, rules for Prometheus.

pub mod alerts;
pub mod dashboards;
pub mod pages;
