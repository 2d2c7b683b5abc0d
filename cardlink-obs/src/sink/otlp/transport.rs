//! To the collector: gRPC and HTTP, in the clear or by TLS. The same way for both signals.

use super::settings::{Endpoint, OtlpError, TlsFiles};
use async_trait::async_trait;
use axum::http::HeaderMap;
use flate2::{Compression, write::GzEncoder};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use prost::Message;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use std::{
    io::Write as _,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tonic::{Status, metadata::MetadataMap, service::Interceptor, transport::Channel};

/// An answer beyond this is none of a collector's.
const MOST_ANSWER: usize = 1 << 20;
/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// A peer that went without a word is noticed after so long.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// The channel of gRPC; connects when it is used first, and again whenever it must. Needs a runtime.
pub fn channel(to: &Endpoint) -> Result<Channel, OtlpError> {
    let wrong = |error: tonic::transport::Error| OtlpError::setting("--otlp-endpoint", format!("{}: {error}", to.url));
    let endpoint = tonic::transport::Endpoint::from_shared(to.url.to_string())
        .map_err(wrong)?
        .timeout(to.timeout)
        .connect_timeout(CONNECT)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .user_agent(concat!("cardlink-obs/", env!("CARGO_PKG_VERSION")))
        .map_err(wrong)?;
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls(to)?).https_or_http().enable_http2();
    Ok(endpoint.connect_with_connector_lazy(connector.wrap_connector(plain())))
}

/// Adds the user's headers to each call of gRPC.
#[derive(Clone)]
pub struct Headers(MetadataMap);

impl Headers {
    pub fn of(to: &Endpoint) -> Self {
        Self(MetadataMap::from_headers(to.headers.clone()))
    }
}

impl Interceptor for Headers {
    fn call(&mut self, mut request: tonic::Request<()>) -> Result<tonic::Request<()>, Status> {
        let mut headers = std::mem::take(request.metadata_mut()).into_headers();
        add(&mut headers, self.0.as_ref());
        *request.metadata_mut() = MetadataMap::from_headers(headers);
        Ok(request)
    }
}

fn add(headers: &mut HeaderMap, more: &HeaderMap) {
    for (name, value) in more {
        headers.insert(name, value.clone());
    }
}

/// The client of HTTP.
#[derive(Debug)]
pub struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    headers: HeaderMap,
    timeout: Duration,
    /// Why the last request had no answer: those who use it here do not pass that on.
    trouble: Trouble,
}

/// In words; empty when there is none.
pub type Trouble = Arc<Mutex<String>>;

impl Http {
    pub fn new(to: &Endpoint) -> Result<Self, OtlpError> {
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls(to)?).https_or_http().enable_http1();
        let client = Client::builder(TokioExecutor::new()).build(connector.wrap_connector(plain()));
        Ok(Self { client, headers: to.headers.clone(), timeout: to.timeout, trouble: Trouble::default() })
    }

    pub fn trouble(&self) -> Trouble {
        Arc::clone(&self.trouble)
    }

    /// Sends a message and reads the answer to it.
    pub async fn post<A: Message + Default>(&self, to: &Endpoint, message: &impl Message) -> Result<A, String> {
        let body = message.encode_to_vec();
        let mut post = Request::post(&to.url).header("content-type", "application/x-protobuf");
        let body = if to.gzip {
            post = post.header("content-encoding", "gzip");
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&body).and_then(|()| encoder.finish()).map_err(|error| error.to_string())?
        } else {
            body
        };
        let post = post.body(Bytes::from(body)).map_err(|error| error.to_string())?;
        let response = self.send_bytes(post).await.map_err(|error| in_words(&*error))?;
        if !response.status().is_success() {
            return Err(format!("HTTP status {}", response.status()));
        }
        // Whoever answers with something else has taken it all the same.
        Ok(A::decode(response.into_body()).unwrap_or_default())
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let response = self.client.request(request.map(Full::new)).await?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MOST_ANSWER).collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    }
}

#[async_trait]
impl HttpClient for Http {
    async fn send_bytes(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        add(request.headers_mut(), &self.headers);
        // A connection whose request was given up is closed.
        let sent = match tokio::time::timeout(self.timeout, self.send(request)).await {
            Ok(sent) => sent,
            Err(_) => Err(HttpError::from(format!("no answer within {:?}", self.timeout))),
        };
        let trouble = sent.as_ref().err().map(|error| in_words(&**error)).unwrap_or_default();
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
        sent
    }
}

/// In words: the code, and what the transport says of it. A message of the peer may hold what is not for logs.
pub fn said(status: &Status) -> String {
    match std::error::Error::source(status) {
        Some(source) => format!("gRPC code {:?}: {}", status.code(), in_words(source)),
        None => format!("gRPC code {:?}", status.code()),
    }
}

/// An error with what is behind it.
fn in_words(error: &(dyn std::error::Error + 'static)) -> String {
    let own = error.to_string();
    match error.source().map(in_words) {
        // Some say what is behind them themselves.
        Some(behind) if behind.starts_with(&own) => behind,
        Some(behind) => format!("{own}: {behind}"),
        None => own,
    }
}

fn plain() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT));
    connector.set_keepalive(Some(KEEP_ALIVE));
    connector
}

/// What is trusted, and what is shown. Files are looked at only for `https`.
fn tls(to: &Endpoint) -> Result<ClientConfig, OtlpError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| OtlpError::setting("TLS", error.to_string()))?;
    if to.url.scheme_str() != Some("https") {
        return Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth());
    }
    let TlsFiles { ca, own } = &to.tls;
    let builder = match ca {
        Some(path) => builder.with_root_certificates(authorities(path)?),
        None => builder.with_native_roots().map_err(|error| {
            OtlpError::setting(
                "--otlp-ca",
                format!("this system has no certificates of authorities ({error}): give one"),
            )
        })?,
    };
    let Some((certificate, key)) = own else { return Ok(builder.with_no_client_auth()) };
    let certificates = certificates(certificate)?;
    let key_read = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, &error))?;
    builder
        .with_client_auth_cert(certificates, key_read)
        .map_err(|error| OtlpError::File { path: key.clone(), reason: error.to_string() })
}

fn authorities(path: &Path) -> Result<RootCertStore, OtlpError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(path)? {
        store
            .add(certificate)
            .map_err(|error| OtlpError::File { path: path.to_path_buf(), reason: error.to_string() })?;
    }
    Ok(store)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, OtlpError> {
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|error| unreadable(path, &error))?.collect();
    let found = found.map_err(|error| unreadable(path, &error))?;
    if found.is_empty() {
        return Err(OtlpError::File {
            path: path.to_path_buf(),
            reason: String::from("there is no certificate in it"),
        });
    }
    Ok(found)
}

fn unreadable(path: &Path, error: &rustls::pki_types::pem::Error) -> OtlpError {
    let reason = match error {
        rustls::pki_types::pem::Error::Io(error) => error.to_string(),
        other => format!("this is not PEM ({other})"),
    };
    OtlpError::File { path: path.to_path_buf(), reason }
}
