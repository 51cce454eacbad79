//! A web server that gives everybody the same page, in the clear or with a certificate of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::daybreak::clock::Clock;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// A server that gives everybody who asks for a page the same answer.
pub struct Web {
    pub address: SocketAddr,
    /// In PEM, where it speaks TLS.
    pub certificate: String,
    task: AbortHandle,
}

impl Drop for Web {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Web {
    pub async fn plain(answer: Page) -> Self {
        Self::start(answer, None).await
    }

    /// With a certificate for this name that ends in so many days.
    pub async fn safe(answer: Page, name: &str, days: i64) -> Self {
        let end =
            Clock::system().now().to_utc() + chrono::TimeDelta::days(days) + chrono::TimeDelta::hours(1);
        let mut wanted = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        wanted.not_after = std::time::SystemTime::from(end).into();
        let key = rcgen::KeyPair::generate().unwrap();
        let made = wanted.self_signed(&key).unwrap();
        Self::start(answer, Some((made, key))).await
    }

    async fn start(answer: Page, keys: Option<(rcgen::Certificate, rcgen::KeyPair)>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let certificate = keys.as_ref().map(|(made, _)| pem(made.der())).unwrap_or_default();
        let acceptor = keys.map(|(made, key)| {
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
            let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![made.der().clone()], key)
                .unwrap();
            TlsAcceptor::from(Arc::new(config))
        });
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answer, acceptor) = (answer.clone(), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => say(stream, &answer).await,
                        Some(acceptor) => say(acceptor.accept(stream).await.ok()?, &answer).await,
                    }
                });
            }
        });
        Self { address, certificate, task: task.abort_handle() }
    }
}

fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{encoded}\n-----END CERTIFICATE-----\n")
}

/// Reads a request, and answers it. An error means that nobody listens any more.
async fn say(stream: impl AsyncRead + AsyncWrite + Unpin, answer: &Page) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).await.ok()? > 0 && line != "\r\n" {
        line.clear();
    }
    stream.write_all(answer.to_answer().as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}

/// What a web server answers; it is dated as it is given.
#[derive(Clone)]
pub struct Page {
    pub status: u16,
    pub body: String,
    /// How far the server's clock is behind.
    pub behind: Duration,
}

impl Page {
    fn to_answer(&self) -> String {
        let date = (Clock::system().now().to_utc() - self.behind).format("%a, %d %b %Y %H:%M:%S GMT");
        let (status, body) = (self.status, &self.body);
        format!(
            "HTTP/1.1 {status} So it is\r\nDate: {date}\r\nContent-Type: application/rss+xml\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        )
    }
}
