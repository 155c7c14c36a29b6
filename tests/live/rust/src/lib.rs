//! The requests of a test, one JSON object a line.
use serde::Deserialize;
use std::io::BufRead;

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
