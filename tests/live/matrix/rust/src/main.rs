//! A web server and a client on hyper, with rustls or native-tls.
//!
//! `serve CERTIFICATE KIND` prints its URL and, at the end of its input, what it saw, as JSON.
//! `ask CERTIFICATE KIND URL CONNECTIONS FILE` asks what FILE holds, once it has printed "open" and read a line.
//! KIND is a list of words: `native` is native-tls instead of rustls, `h2` is HTTP/2.

mod ask;
mod serve;
mod tls;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

#[derive(Clone, Deserialize)]
pub struct Ask {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
    pub chunked: bool,
}

#[derive(Serialize)]
pub struct Seen {
    pub id: String,
    pub port: u16,
    pub method: String,
    pub target: String,
    pub request_headers: Vec<(String, String)>,
    pub request_body: String,
    pub at: f64,
    pub status: u16,
    pub response_headers: Vec<(String, String)>,
    pub response_body: String,
}

pub fn digest(data: &[u8]) -> String {
    Sha256::digest(data).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What tests.live.servers.body_for makes.
pub fn body_for(ident: &str, size: usize) -> Vec<u8> {
    Sha256::digest(ident.as_bytes()).iter().copied().cycle().take(size).collect()
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments[0].as_str() {
        "serve" => serve::serve(&arguments[1], &arguments[2]).await,
        _ => ask::ask_all(&arguments[1], &arguments[2], &arguments[3], arguments[4].parse().unwrap(), &arguments[5]).await,
    }
}
