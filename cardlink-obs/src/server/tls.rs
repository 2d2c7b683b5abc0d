//! The certificate that the page is served with; read again when its files change.

use crate::client::certificate::{self, CertificateError, Validity};
use axum_server::tls_rustls::RustlsConfig;
use jiff::Timestamp;
use rustls::{ServerConfig, crypto::ring, pki_types::CertificateDer};
use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// A certificate and its key, as files and as they are served.
pub(super) struct Files {
    certificate: PathBuf,
    key: PathBuf,
    config: RustlsConfig,
    /// What the files were when they were last read.
    seen: Mutex<[Option<Version>; 2]>,
}

/// Inode, time of change, size: a file that was put in the place of another has another inode.
type Version = (u64, i64, i64, u64);

impl Files {
    pub(super) fn load(certificate: &Path, key: &Path) -> Result<Self, CertificateError> {
        let seen = [version(certificate), version(key)];
        let config = RustlsConfig::from_config(read(certificate, key)?);
        Ok(Self { certificate: certificate.to_path_buf(), key: key.to_path_buf(), config, seen: Mutex::new(seen) })
    }

    pub(super) fn config(&self) -> RustlsConfig {
        self.config.clone()
    }

    /// Reads the files again when they have changed; what cannot be used is told once, and the old certificate stays.
    pub(super) fn look(&self, anyway: bool) {
        let now = [version(&self.certificate), version(&self.key)];
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if *seen == now && !anyway {
                return;
            }
            *seen = now;
        }
        match read(&self.certificate, &self.key) {
            Ok(config) => {
                self.config.reload_from_config(config);
                tracing::info!("the certificate {} was read again", self.certificate.display());
            }
            Err(error) => tracing::error!("the old certificate stays: {error}"),
        }
    }
}

fn version(path: &Path) -> Option<Version> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), metadata.size()))
}

/// What is wrong with a certificate that can be used.
pub(super) fn fault(certificate: &Path, key: &Path) -> Result<Option<String>, CertificateError> {
    read(certificate, key)?;
    Ok(out_of_date(certificate, &certificate::chain(certificate)?))
}

fn out_of_date(path: &Path, chain: &[CertificateDer<'_>]) -> Option<String> {
    let validity = chain.first().and_then(|first| Validity::of(first))?;
    validity.fault(Timestamp::now(), &format!("the certificate {}", path.display()))
}

fn read(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, CertificateError> {
    let chain = certificate::chain(certificate)?;
    // One that is out of date is served all the same: scrapers that do not look at it go on, and the log and the
    // check of the page say it.
    if let Some(fault) = out_of_date(certificate, &chain) {
        tracing::warn!("{fault}");
    }
    let pair = |why: rustls::Error| match why {
        rustls::Error::InconsistentKeys(_) => {
            CertificateError::Pair(certificate.display().to_string(), key.display().to_string())
        }
        other => CertificateError::Certificate(certificate.to_path_buf(), other.to_string()),
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, certificate::key(key)?)
        .map_err(pair)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
