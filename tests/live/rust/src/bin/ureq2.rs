//! Asks by ureq 2.8, which blocks and has rustls 0.21.
use rustls_programs::{arguments, asks};
use std::io::Read;
use std::sync::Arc;
use ureq2::{Agent, AgentBuilder};

fn client(certificate: &str) -> Agent {
    let pem = std::fs::read(certificate).expect("a certificate");
    let mut roots = rustls21::RootCertStore::empty();
    let mut found = ureq::tls::parse_pem(&pem);
    while let Some(item) = found.next() {
        if let Ok(ureq::tls::PemItem::Certificate(certificate)) = item {
            roots.add(&rustls21::Certificate(certificate.der().to_vec())).expect("a root");
        }
    }
    let tls = rustls21::ClientConfig::builder().with_safe_defaults().with_root_certificates(roots).with_no_client_auth();
    AgentBuilder::new().tls_config(Arc::new(tls)).build()
}

fn main() {
    let given = arguments();
    let mut agent = client(&given.certificate);
    for ask in asks() {
        if ask.new_connection {
            agent = client(&given.certificate);
        }
        let mut request = agent.request(&ask.method, &format!("{}{}", given.url, ask.path));
        for (name, value) in ask.headers {
            request = request.set(&name, &value);
        }
        let answer = match ask.body {
            Some(body) => request.send_bytes(&body),
            None => request.call(),
        };
        let answer = match answer {
            Ok(answer) | Err(ureq2::Error::Status(_, answer)) => answer,
            Err(error) => panic!("{error}"),
        };
        answer.into_reader().read_to_end(&mut Vec::new()).expect("its body");
    }
}
