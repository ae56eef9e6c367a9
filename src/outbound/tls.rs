//! TLS for one target: whom it trusts, and the certificate we show.
//!
//! Trusts the system's certificates, or those of `ca` and no others. Never skips a check of name, time or chain.

use std::sync::{Arc, Once, OnceLock};

use rustls::{
    AlertDescription, ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio_rustls::TlsConnector;

use super::error::Refusal;
use crate::config::auth::Tls;

/// TLS needs one cryptography provider per process; another one installed earlier is as good.
pub fn install_cryptography() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// # Errors
/// A certificate or key that is none, or one without the other. The message never has their text.
pub(super) fn connector(tls: Option<&Tls>) -> Result<TlsConnector, Refusal> {
    static PLAIN: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    install_cryptography();
    let Some(tls) = tls else {
        // The system's certificates take milliseconds to read, and are the same for all.
        if let Some(config) = PLAIN.get() {
            return Ok(Arc::clone(config).into());
        }
        let config = Arc::new(config(&Tls::default())?);
        return Ok(Arc::clone(PLAIN.get_or_init(|| config)).into());
    };
    Ok(Arc::new(config(tls)?).into())
}

fn config(tls: &Tls) -> Result<ClientConfig, Refusal> {
    let refuse = |key, why: String| Refusal::Tls { key, why };
    let builder = ClientConfig::builder();
    let builder = match &tls.ca {
        None => {
            builder.with_platform_verifier().map_err(|why| refuse("ca", format!("is not given, and the system's cannot be read: {why}")))?
        }
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(pem).map_err(|why| refuse("ca", why))? {
                roots.add(certificate).map_err(|why| refuse("ca", format!("has a certificate that cannot be trusted: {why}")))?;
            }
            builder.with_root_certificates(roots)
        }
    };
    let mut config = match (&tls.certificate, &tls.key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate).map_err(|why| refuse("certificate", why))?;
            // What the reader says of a key that is none would show a line of it.
            let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes())
                .map_err(|_| refuse("key", "is not a private key in PEM".to_owned()))?;
            builder.with_client_auth_cert(chain, key).map_err(|why| refuse("key", format!("does not fit `tls.certificate`: {why}")))?
        }
        (Some(_), None) => return Err(refuse("key", "is missing beside `tls.certificate`".to_owned())),
        (None, Some(_)) => return Err(refuse("certificate", "is missing beside `tls.key`".to_owned())),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err("holds no certificate in PEM".to_owned()),
        Err(_) => Err("is not PEM".to_owned()),
    }
}

/// True when `error` is the other side's refusal of our certificate: then it has read nothing of the request, though
/// TLS 1.3 lets us send before it has looked.
pub(super) fn is_refused_certificate(error: &(dyn std::error::Error + 'static)) -> bool {
    use AlertDescription as Alert;
    let mut source = Some(error);
    while let Some(inner) = source {
        let rustls = inner.downcast_ref::<rustls::Error>().or_else(|| inner.downcast_ref::<std::io::Error>()?.get_ref()?.downcast_ref());
        if let Some(rustls::Error::AlertReceived(alert)) = rustls {
            return matches!(
                alert,
                Alert::CertificateRequired
                    | Alert::BadCertificate
                    | Alert::UnsupportedCertificate
                    | Alert::CertificateRevoked
                    | Alert::CertificateExpired
                    | Alert::CertificateUnknown
                    | Alert::UnknownCA
                    // A signature that does not verify, the certificate's own included: RFC 8446 section 6.2.
                    | Alert::DecryptError
                    | Alert::HandshakeFailure
                    | Alert::AccessDenied
            );
        }
        source = inner.source();
    }
    false
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
