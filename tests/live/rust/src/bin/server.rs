//! Serves by hyper over tokio-rustls: `server CERTIFICATE`, whose first line is its port.
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderName, HeaderValue};
use hyper::Response;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustls_programs::{answer, server_config, serving, Request};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

async fn respond(request: hyper::Request<Incoming>, peer: SocketAddr) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let said = answer(&Request {
        method: head.method.to_string(),
        target: head.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned(),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: body.collect().await.map(|whole| whole.to_bytes().to_vec()).unwrap_or_default(),
        port: peer.port(),
    });
    let mut response = Response::new(Full::new(Bytes::from(said.body)));
    *response.status_mut() = said.status.try_into().expect("a status");
    for (name, value) in said.headers {
        response.headers_mut().append(HeaderName::try_from(name).expect("a name"), value.try_into().expect("a value"));
    }
    Ok(response)
}

#[tokio::main]
async fn main() {
    let mut config = server_config();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    serving(listener.local_addr().expect("an address").port());
    while let Ok((socket, peer)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let _ = socket.set_nodelay(true);
            if let Ok(stream) = acceptor.accept(socket).await {
                let serve = hyper::service::service_fn(move |request| respond(request, peer));
                let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), serve).await;
            }
        });
    }
}
