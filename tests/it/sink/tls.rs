//! The sink's TLS: a certificate of its own, and the talk before `STARTTLS`.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{Over, Shared, Stream};

/// What accepts TLS, and the certificate that it shows, in PEM.
pub fn self_signed() -> (TlsAcceptor, String) {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let certificate = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        STANDARD.encode(made.cert.der())
    );
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), certificate)
}

/// The talk before TLS.
pub async fn start_tls(stream: TcpStream, shared: &Shared) -> Result<impl Stream + use<>, Over> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 sink ready\r\n").await?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(Over);
        }
        let reply = match line.trim_end() {
            hello if hello.starts_with("EHLO") => "250-sink\r\n250 STARTTLS\r\n",
            "STARTTLS" => {
                let reply = format!("220 go on\r\n{}", shared.options.after_starttls);
                stream.write_all(reply.as_bytes()).await?;
                return Ok(shared.acceptor.accept(stream.into_inner()).await?);
            }
            _ => "530 5.7.0 STARTTLS first\r\n",
        };
        stream.write_all(reply.as_bytes()).await?;
    }
}
