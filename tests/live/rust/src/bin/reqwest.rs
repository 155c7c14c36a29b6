//! Asks by reqwest, which is hyper over tokio-rustls; HTTP/2 where the server offers it.
use rustls_programs::{arguments, asks};

fn client(certificate: &str) -> reqwest::Client {
    let pem = std::fs::read(certificate).expect("a certificate");
    let root = reqwest::Certificate::from_pem(&pem).expect("a certificate");
    reqwest::Client::builder().add_root_certificate(root).build().expect("a client")
}

#[tokio::main]
async fn main() {
    let given = arguments();
    let mut session = client(&given.certificate);
    for ask in asks() {
        if ask.new_connection {
            session = client(&given.certificate);
        }
        let method = reqwest::Method::from_bytes(ask.method.as_bytes()).expect("a method");
        let mut request = session.request(method, format!("{}{}", given.url, ask.path));
        for (name, value) in ask.headers {
            request = request.header(name, value);
        }
        if let Some(body) = ask.body {
            request = request.body(body);
        }
        let answer = request.send().await.expect("an answer");
        answer.bytes().await.expect("its body");
    }
}
