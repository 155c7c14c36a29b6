//! The server: answers as tests/live/servers.py does, and writes down what it saw and said.

use crate::tls::Acceptor;
use crate::{body_for, digest, Seen};
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

type Record = Arc<Mutex<Vec<Seen>>>;

pub async fn serve(certificate: &str, kind: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("https://{}", listener.local_addr().unwrap());
    let (record, acceptor, is_h2) = (Record::default(), Acceptor::new(certificate, kind), kind.contains("h2"));
    let kept = record.clone();
    tokio::spawn(async move {
        loop {
            let (plain, peer) = listener.accept().await.unwrap();
            plain.set_nodelay(true).unwrap();
            let (acceptor, record) = (acceptor.clone(), record.clone());
            tokio::spawn(async move {
                let Some(stream) = acceptor.accept(plain).await else { return };
                let service = service_fn(move |request| answer(request, peer.port(), record.clone()));
                if is_h2 {
                    let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
                } else {
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                }
            });
        }
    });
    tokio::io::stdin().read_to_end(&mut Vec::new()).await.unwrap();
    println!("{}", serde_json::to_string(&*kept.lock().unwrap()).unwrap());
    std::process::exit(0);
}

fn lines(headers: &HeaderMap) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_string())).collect()
}

fn asked(query: &str, name: &str) -> Option<usize> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
}

async fn answer(
    request: Request<Incoming>, port: u16, record: Record,
) -> Result<Response<BoxBody<Bytes, Infallible>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let ident = head.headers.get("x-id").map(|value| value.to_str().unwrap().to_string()).unwrap_or_default();
    let (query, is_head) = (head.uri.query().unwrap_or(""), head.method == "HEAD");
    let answer = asked(query, "size").map_or(body.to_vec(), |size| body_for(&format!("answer {ident}"), size));
    let status = asked(query, "status").unwrap_or(200) as u16;
    let chunked = asked(query, "chunked") == Some(1) && !is_head && !answer.is_empty();
    let mut said: Vec<(String, String)> = [
        ("date", "Sat, 21 Nov 2026 12:00:00 GMT"), ("content-type", "application/octet-stream"), ("x-id", &ident),
        ("x-peer-port", &port.to_string()), ("vary", "Accept"), ("vary", "Cookie"),
        ("set-cookie", &format!("one={ident}")), ("set-cookie", "two=2, still two"),
    ].iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    if !chunked {
        said.push(("content-length".into(), answer.len().to_string()));
    } else if head.version < Version::HTTP_2 {
        said.push(("transfer-encoding".into(), "chunked".into()));
    }
    let shown = if is_head { vec![] } else { answer };
    let pieces: Vec<Bytes> = shown.chunks(9973).map(Bytes::copy_from_slice).collect();
    let mut response = Response::new(if chunked {
        let frames = pieces.into_iter().map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
        BodyExt::boxed(StreamBody::new(Pieces(frames)))
    } else {
        BodyExt::boxed(Full::new(Bytes::from(shown.clone())))
    });
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in &said {
        response.headers_mut().append(HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap());
    }
    record.lock().unwrap().push(Seen {
        id: ident, port, method: head.method.to_string(), target: head.uri.path_and_query().unwrap().to_string(),
        request_headers: lines(&head.headers), request_body: digest(&body), at: 0.0, status, response_headers: said,
        response_body: digest(&shown),
    });
    Ok(response)
}

/// A stream of what is there already.
struct Pieces<I>(I);

impl<I: Iterator + Unpin> futures_core::Stream for Pieces<I> {
    type Item = I::Item;
    fn poll_next(mut self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<Option<I::Item>> {
        std::task::Poll::Ready(self.0.next())
    }
}
