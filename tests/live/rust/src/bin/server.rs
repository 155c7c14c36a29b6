//! Serves by hyper over tokio-rustls, HTTP/1 and HTTP/2, and says what it saw and answered, one JSON object a line.
//! `server CERTIFICATE` (a PEM file with the key); the first line is its port. It ends with its input.
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;

fn body_for(ident: &str, size: usize) -> Vec<u8> {
    Sha256::digest(ident).iter().copied().cycle().take(size).collect()
}

fn digest(data: &[u8]) -> String {
    Sha256::digest(data).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn lines(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

async fn answer(request: Request<Incoming>, peer: SocketAddr) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|whole| whole.to_bytes()).unwrap_or_default();
    let asked: HashMap<&str, u64> = head.uri.query().unwrap_or("").split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter_map(|(name, value)| Some((name, value.parse().ok()?)))
        .collect();
    let ident = head.headers.get("x-id").and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
    let said = match asked.get("size") {
        Some(size) => Bytes::from(body_for(&format!("answer {ident}"), *size as usize)),
        None => body.clone(),
    };
    let mut response = Response::new(Full::new(said.clone()));
    *response.status_mut() = (*asked.get("status").unwrap_or(&200) as u16).try_into().expect("a status");
    let fields = [
        ("x-id", ident.clone()),
        ("x-peer-port", peer.port().to_string()),
        ("set-cookie", format!("one={ident}; Path=/")),
        ("set-cookie", "two=2, still two".to_owned()),
        ("date", "Thu, 01 Jan 1970 00:00:00 GMT".to_owned()),
        ("content-length", said.len().to_string()),
    ];
    for (name, value) in fields {
        response.headers_mut().append(HeaderName::from_static(name), value.try_into().expect("a value"));
    }
    let is_head = head.method == hyper::Method::HEAD;
    let record = json!({
        "id": ident, "port": peer.port(), "method": head.method.as_str(), "at": 0.0,
        "target": head.uri.path_and_query().map(|target| target.as_str()).unwrap_or("/"),
        "request_headers": lines(&head.headers), "request_body": digest(&body),
        "status": response.status().as_u16(), "response_headers": lines(response.headers()),
        "response_body": digest(if is_head { b"" } else { &said }),
    });
    println!("{record}");
    Ok(response)
}

#[tokio::main]
async fn main() {
    let file = std::env::args().nth(1).expect("CERTIFICATE");
    let chain = CertificateDer::pem_file_iter(&file).expect("certificates").map(|one| one.expect("a certificate")).collect();
    let key = PrivateKeyDer::from_pem_file(&file).expect("a key");
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).expect("a pair");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("an address").port());
    std::io::stdout().flush().expect("a reader");
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    while let Ok((socket, peer)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let _ = socket.set_nodelay(true);
            if let Ok(stream) = acceptor.accept(socket).await {
                let serve = hyper::service::service_fn(move |request| answer(request, peer));
                let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), serve).await;
            }
        });
    }
}
