//! Whoever can be connected to.

use super::{failed, timed};
use crate::{
    client::{ClientError, Deadline, Request, Trust, Url, dial, fetch},
    config::checks::{Http, Protocol},
    health::{Check, Facts, Verdict},
};
use std::{path::PathBuf, sync::Arc, time::Duration};

pub(super) struct Tcp {
    pub(super) address: String,
    pub(super) slow: Duration,
    pub(super) facts: Arc<Facts>,
}

impl Check for Tcp {
    fn look(&mut self, deadline: Deadline) -> Verdict {
        let address = &self.address;
        timed(self.slow, deadline, |deadline| {
            dial(address, deadline, Some(&self.facts.own)).map_err(|error| failed(address, &error))?;
            Ok(format!("{address} accepts"))
        })
    }
}

pub(super) struct HttpCheck {
    pub(super) options: Http,
    pub(super) facts: Arc<Facts>,
}

fn trust(file: Option<&PathBuf>) -> Trust {
    file.map_or(Trust::System, |path| Trust::File(path.clone()))
}

impl Check for HttpCheck {
    fn look(&mut self, deadline: Deadline) -> Verdict {
        let options = &self.options;
        timed(options.degraded_after, deadline, |deadline| {
            let url = Url::parse(&options.url).map_err(|error| error.to_string())?;
            let left = deadline.left().map_err(|error| failed(&options.url, &error))?;
            let request =
                Request { trust: trust(options.ca_file.as_ref()), own: Some(&self.facts.own), ..Request::default() };
            let answer = fetch(&url, &request, left).map_err(|error| error.to_string())?;
            if !options.status.contains(&answer.status) {
                return Err(format!("{url} answers {}", answer.status));
            }
            let wanted = options.contains.as_bytes();
            let there = wanted.is_empty() || answer.body.windows(wanted.len()).any(|part| part == wanted);
            if there {
                Ok(format!("{url} answers {}", answer.status))
            } else {
                Err(format!("{url} answers {}, without `{}`", answer.status, options.contains))
            }
        })
    }
}

pub(super) struct Otlp {
    pub(super) endpoint: String,
    pub(super) protocol: Protocol,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) facts: Arc<Facts>,
}

impl Check for Otlp {
    fn look(&mut self, deadline: Deadline) -> Verdict {
        timed(Duration::MAX, deadline, |deadline| self.reach(deadline))
    }
}

impl Otlp {
    fn reach(&self, deadline: Deadline) -> Result<String, String> {
        let url = Url::parse(&self.endpoint).map_err(|error| error.to_string())?;
        if self.protocol == Protocol::Grpc {
            let place = format!("{}:{}", url.host, url.port);
            dial(&place, deadline, Some(&self.facts.own)).map_err(|error| failed(&self.endpoint, &error))?;
            return Ok(format!("{place} accepts"));
        }
        let base = self.endpoint.trim_end_matches('/');
        let url = Url::parse(&format!("{base}/v1/traces")).map_err(|error| error.to_string())?;
        // No bytes are an ExportTraceServiceRequest without any spans.
        let request = Request {
            trust: trust(self.ca_file.as_ref()),
            body: Some(("application/x-protobuf", &[])),
            own: Some(&self.facts.own),
            ..Request::default()
        };
        let left = deadline.left().map_err(|error| failed(&self.endpoint, &error))?;
        let answer = fetch(&url, &request, left).map_err(|error: ClientError| error.to_string())?;
        match answer.status {
            200..=299 => Ok(format!("{url} takes exports")),
            401 | 403 => Err(format!("{url} wants to know who exports ({})", answer.status)),
            other => Err(format!("{url} answers {other} to an export")),
        }
    }
}
