//! The same two calls for rustls and native-tls: a stream of the client's, and one of the server's.

use std::io::Cursor;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, ServerConfig, SignatureScheme};
use tokio_rustls::{TlsAcceptor, TlsConnector};

pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
pub type Any = Box<dyn Stream>;

/// The test's certificate is its own authority, which rustls takes for neither.
#[derive(Debug)]
struct Trusting;

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self, _: &CertificateDer<'_>, _: &[CertificateDer<'_>], _: &ServerName<'_>, _: &[u8], _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self, _: &[u8], _: &CertificateDer<'_>, _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self, _: &[u8], _: &CertificateDer<'_>, _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::RSA_PSS_SHA256, SignatureScheme::RSA_PKCS1_SHA256]
    }
}

fn alpn(kind: &str) -> Vec<Vec<u8>> {
    if kind.contains("h2") { vec![b"h2".to_vec()] } else { vec![] }
}

pub async fn connect(kind: &str, address: &str) -> Any {
    let plain = TcpStream::connect(address).await.unwrap();
    plain.set_nodelay(true).unwrap();
    if kind.contains("native") {
        let connector = native_tls::TlsConnector::builder().danger_accept_invalid_certs(true).build().unwrap();
        return Box::new(tokio_native_tls::TlsConnector::from(connector).connect("localhost", plain).await.unwrap());
    }
    let mut config = ClientConfig::builder().dangerous().with_custom_certificate_verifier(Arc::new(Trusting)).with_no_client_auth();
    config.alpn_protocols = alpn(kind);
    let name = ServerName::try_from("localhost").unwrap();
    Box::new(TlsConnector::from(Arc::new(config)).connect(name, plain).await.unwrap())
}

#[derive(Clone)]
pub enum Acceptor {
    Rustls(TlsAcceptor),
    Native(tokio_native_tls::TlsAcceptor),
}

impl Acceptor {
    pub fn new(certificate: &str, kind: &str) -> Acceptor {
        let pem = std::fs::read(certificate).unwrap();
        if kind.contains("native") {
            let identity = native_tls::Identity::from_pkcs8(&pem, &pem).unwrap();
            return Acceptor::Native(native_tls::TlsAcceptor::new(identity).unwrap().into());
        }
        let chain = rustls_pemfile::certs(&mut Cursor::new(&pem)).map(|one| one.unwrap()).collect();
        let key = rustls_pemfile::private_key(&mut Cursor::new(&pem)).unwrap().unwrap();
        let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        config.alpn_protocols = alpn(kind);
        Acceptor::Rustls(TlsAcceptor::from(Arc::new(config)))
    }

    pub async fn accept(&self, plain: TcpStream) -> Option<Any> {
        match self {
            Acceptor::Rustls(acceptor) => Some(Box::new(acceptor.accept(plain).await.ok()?)),
            Acceptor::Native(acceptor) => Some(Box::new(acceptor.accept(plain).await.ok()?)),
        }
    }
}
