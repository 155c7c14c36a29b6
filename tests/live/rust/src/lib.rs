//! What clients share: the requests of a test, one JSON object a line; and servers: the answers, and the record of them.
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::io::{BufRead, Read, Write};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::ServerConfig;

#[derive(Deserialize)]
pub struct Ask {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
    pub new_connection: bool,
}

pub struct Arguments {
    pub url: String,
    pub certificate: String,
}

pub fn arguments() -> Arguments {
    let mut rest = std::env::args().skip(1);
    Arguments { url: rest.next().expect("URL"), certificate: rest.next().expect("CERTIFICATE") }
}

pub fn asks() -> impl Iterator<Item = Ask> {
    std::io::stdin().lock().lines().map(|line| serde_json::from_str(&line.expect("a line")).expect("a request"))
}

pub type Lines = Vec<(String, String)>;

/// A request as a server read it; `port` is the client's.
pub struct Request {
    pub method: String,
    pub target: String,
    pub headers: Lines,
    pub body: Vec<u8>,
    pub port: u16,
}

pub struct Answer {
    pub status: u16,
    pub headers: Lines,
    /// Not to be sent to HEAD.
    pub body: Vec<u8>,
}

fn digest(data: &[u8]) -> String {
    Sha256::digest(data).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn asked(target: &str, name: &str) -> Option<usize> {
    let query = target.split_once('?')?.1;
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
}

/// Answers as tests/live/servers.py does, and says what was seen and answered, one JSON object a line.
pub fn answer(request: &Request) -> Answer {
    let ident = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-id")).map_or("", |(_, value)| value.as_str());
    let unit = Sha256::digest(format!("answer {ident}"));
    let body = match asked(&request.target, "size") {
        Some(size) => unit.iter().copied().cycle().take(size).collect(),
        None => request.body.clone(),
    };
    let headers: Lines = [
        ("x-id", ident.to_owned()),
        ("x-peer-port", request.port.to_string()),
        ("set-cookie", format!("one={ident}; Path=/")),
        ("set-cookie", "two=2, still two".to_owned()),
        ("date", "Thu, 01 Jan 1970 00:00:00 GMT".to_owned()),
        ("content-length", body.len().to_string()),
    ].into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let status = asked(&request.target, "status").unwrap_or(200) as u16;
    let shown: &[u8] = if request.method == "HEAD" { b"" } else { &body };
    let record = json!({
        "id": ident, "port": request.port, "method": request.method, "at": 0.0, "target": request.target,
        "request_headers": request.headers, "request_body": digest(&request.body),
        "status": status, "response_headers": headers, "response_body": digest(shown),
    });
    println!("{record}");
    Answer { status, headers, body }
}

/// What `SERVER CERTIFICATE` (a PEM file with the key) asks for.
pub fn server_config() -> ServerConfig {
    let file = std::env::args().nth(1).expect("CERTIFICATE");
    let chain = CertificateDer::pem_file_iter(&file).expect("certificates").map(|one| one.expect("a certificate")).collect();
    let key = PrivateKeyDer::from_pem_file(&file).expect("a key");
    ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).expect("a pair")
}

/// Says the port, and lets the program end with its input.
pub fn serving(port: u16) {
    println!("{port}");
    std::io::stdout().flush().expect("a reader");
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
}
