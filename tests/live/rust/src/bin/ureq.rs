//! Asks by ureq 3, which blocks.
use rustls_programs::{arguments, asks};
use ureq::http::Request;
use ureq::tls::{parse_pem, PemItem, RootCerts, TlsConfig};
use ureq::Agent;

fn client(certificate: &str) -> Agent {
    let pem = std::fs::read(certificate).expect("a certificate");
    let roots = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(found)) => Some(found),
        _ => None,
    });
    let tls = TlsConfig::builder().root_certs(RootCerts::from(roots.collect::<Vec<_>>())).build();
    Agent::config_builder().tls_config(tls).http_status_as_error(false).build().into()
}

fn main() {
    let given = arguments();
    let mut agent = client(&given.certificate);
    for ask in asks() {
        if ask.new_connection {
            agent = client(&given.certificate);
        }
        let mut request = Request::builder().method(ask.method.as_str()).uri(format!("{}{}", given.url, ask.path));
        for (name, value) in ask.headers {
            request = request.header(name, value);
        }
        let answer = match ask.body {
            Some(body) => agent.run(request.body(body).expect("a request")),
            None => agent.run(request.body(()).expect("a request")),
        };
        answer.expect("an answer").into_body().with_config().limit(1 << 24).read_to_vec().expect("its body");
    }
}
