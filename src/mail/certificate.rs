//! Notes what a relay shows of itself as it is connected to, for who examines it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{DigitallySignedStruct, Error, SignatureScheme};

use crate::domain::calendar::Timestamp;
use crate::domain::certificate;

/// What a relay has shown.
#[derive(Debug, Default)]
pub struct Seen {
    expires: Mutex<Option<Timestamp>>,
    version: Mutex<Option<&'static str>>,
}

impl Seen {
    /// Until when its certificate is good.
    pub fn expires(&self) -> Option<Timestamp> {
        *self.expires.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `TLS 1.2` or `TLS 1.3`; none before a handshake came so far.
    pub fn version(&self) -> Option<&'static str> {
        *self.version.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Decides as another verifier does, and notes what it saw.
#[derive(Debug)]
pub(super) struct Watch {
    verifier: Arc<dyn ServerCertVerifier>,
    seen: Arc<Seen>,
}

impl Watch {
    pub(super) fn new(verifier: Arc<dyn ServerCertVerifier>, seen: Arc<Seen>) -> Self {
        Self { verifier, seen }
    }

    fn note_version(&self, version: &'static str) {
        *self.seen.version.lock().unwrap_or_else(PoisonError::into_inner) = Some(version);
    }
}

impl ServerCertVerifier for Watch {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.seen.expires.lock().unwrap_or_else(PoisonError::into_inner) = certificate::expires(end_entity);
        self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.note_version("TLS 1.2");
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.note_version("TLS 1.3");
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
