//! The HTTP side: the metrics page and the health of the agent, on one listener or two.

mod accept;
mod access;
mod holder;
mod routes;
mod tls;

pub use access::Access;

use crate::{
    client::{SecretError, certificate::CertificateError},
    config::Config,
    health::Health,
    sink::metrics::page::Page,
};
use axum::Router;
use axum_server::Handle;
use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
    time::Duration,
};
use tls::Files;

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("cannot listen on {address}: {reason}")]
    Listen { address: SocketAddr, reason: String },
    #[error("{0}")]
    Secret(#[from] SecretError),
    #[error("{0}")]
    Certificate(#[from] CertificateError),
    #[error("cannot serve metrics: {0}")]
    System(#[from] io::Error),
}

/// Requests under way at the end have so long.
const GRACE: Duration = Duration::from_millis(200);

/// A client that does not say what it wants for so long is left.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often the files of the certificate are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What is bound and read, and serves when it is told to: nothing that can fail comes after the probes are attached.
pub struct Bound {
    pub access: Access,
    /// Where the metrics are.
    pub url: String,
    listener: TcpListener,
    health: Option<TcpListener>,
    path: String,
    files: Option<Arc<Files>>,
}

/// The running server.
pub struct Server {
    pub access: Access,
    handles: Vec<Handle<SocketAddr>>,
    files: Option<Arc<Files>>,
    page: Arc<Page>,
}

/// Binds, and reads the password and the certificate.
pub fn bind(config: &Config) -> Result<Bound, ServerError> {
    let metrics = &config.metrics;
    let access = Access::new(config)?;
    let files = match (&metrics.tls_certificate, &metrics.tls_key) {
        (Some(certificate), Some(key)) => Some(Arc::new(Files::load(certificate, key)?)),
        _ => None,
    };
    let listener = listen(metrics.listen, "metrics.listen (--listen)")?;
    let address = listener.local_addr()?;
    let health = config.health.listen.map(|address| listen(address, "health.listen")).transpose()?;
    if !address.ip().is_loopback() {
        if metrics.password_file.is_none() {
            tracing::warn!("{address} can be reached from other hosts, and there is no password");
        } else if files.is_none() {
            tracing::warn!(
                "{address} can be reached from other hosts, and the password crosses the network in the clear"
            );
        }
    }
    if let Some(address) = health.as_ref().and_then(|listener| listener.local_addr().ok()) {
        tracing::info!("health at http://{address}/health");
        if !address.ip().is_loopback() {
            tracing::warn!("{address} can be reached from other hosts, and health has no password there");
        }
    }
    let scheme = if files.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{address}{}", metrics.path);
    Ok(Bound { access, url, listener, health, path: metrics.path.clone(), files })
}

/// What is wrong with the files that a configuration names for the HTTP side.
pub fn faults(config: &Config) -> Vec<String> {
    let mut faults: Vec<String> = Access::prepare(config).err().map(|error| error.to_string()).into_iter().collect();
    if let (Some(certificate), Some(key)) = (&config.metrics.tls_certificate, &config.metrics.tls_key) {
        match tls::fault(certificate, key) {
            Ok(fault) => faults.extend(fault),
            Err(error) => faults.push(error.to_string()),
        }
    }
    faults
}

fn listen(address: SocketAddr, setting: &str) -> Result<TcpListener, ServerError> {
    let listener = TcpListener::bind(address).map_err(|error| holder::cannot_listen(address, setting, &error))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

impl Bound {
    /// Serves on a thread of its own.
    pub fn serve(self, page: Arc<Page>, health: Health) -> Result<Server, ServerError> {
        let Self { access, listener, health: own_health, path, files, .. } = self;
        let state = routes::State { page: Arc::clone(&page), health, access: access.clone(), open: false };
        let open = routes::State { open: true, ..state.clone() };
        let mut handles = vec![Handle::new()];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let main = (listener, routes::all(&path, state), handles.first().cloned().unwrap_or_default());
        let second = own_health.map(|listener| {
            let handle = Handle::new();
            handles.push(handle.clone());
            (listener, routes::health(open), handle)
        });
        let at_work = files.clone();
        thread::Builder::new().name("http".into()).spawn(move || {
            runtime.block_on(async move {
                if let Some((listener, app, handle)) = second {
                    tokio::spawn(serve(listener, app, handle, None));
                }
                if let Some(files) = at_work.clone() {
                    tokio::spawn(async move {
                        loop {
                            tokio::time::sleep(LOOK_EVERY).await;
                            files.look(false);
                        }
                    });
                }
                let (listener, app, handle) = main;
                serve(listener, app, handle, at_work).await;
            });
        })?;
        Ok(Server { access, handles, files, page })
    }
}

async fn serve(listener: TcpListener, app: Router, handle: Handle<SocketAddr>, files: Option<Arc<Files>>) {
    let service = app.into_make_service();
    let ended = match files {
        Some(files) => match axum_server::from_tcp_rustls(listener, files.config()) {
            Ok(mut server) => {
                server.http_builder().http1().timer(hyper_timer()).header_read_timeout(PATIENCE);
                server.handle(handle).serve(service).await
            }
            Err(error) => Err(error),
        },
        None => match axum_server::from_tcp(listener) {
            Ok(mut server) => {
                server.http_builder().http1().timer(hyper_timer()).header_read_timeout(PATIENCE);
                server.handle(handle).serve(service).await
            }
            Err(error) => Err(error),
        },
    };
    if let Err(error) = ended {
        tracing::error!("the metrics server ended: {error}");
    }
}

fn hyper_timer() -> hyper_util::rt::TokioTimer {
    hyper_util::rt::TokioTimer::new()
}

impl Server {
    /// The certificate is read again, whether its files look changed or not.
    pub fn reload_certificate(&self) {
        if let Some(files) = &self.files {
            files.look(true);
        }
    }

    /// Stops serving; requests under way are finished within a moment.
    pub fn stop(&self) {
        self.page.stop();
        for handle in &self.handles {
            handle.graceful_shutdown(Some(GRACE));
        }
    }
}
