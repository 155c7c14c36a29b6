//! The client: its connections are open at once; each asks its share of the requests.

use crate::tls::connect;
use crate::Ask;
use base64::{engine::general_purpose::STANDARD, Engine};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::task::JoinSet;

enum Connection {
    One(http1::SendRequest<Full<Bytes>>),
    Two(http2::SendRequest<Full<Bytes>>),
}

impl Connection {
    async fn open(kind: &str, address: &str) -> Connection {
        let stream = TokioIo::new(connect(kind, address).await);
        if kind.contains("h2") {
            let (sender, driver) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
            tokio::spawn(driver);
            Connection::Two(sender)
        } else {
            let (sender, driver) = http1::handshake(stream).await.unwrap();
            tokio::spawn(driver);
            Connection::One(sender)
        }
    }

    async fn ask(&mut self, ask: &Ask, address: &str) {
        let body = ask.body.as_ref().map_or(vec![], |text| STANDARD.decode(text).unwrap());
        let uri = if matches!(self, Connection::Two(_)) { format!("https://{address}{}", ask.path) } else { ask.path.clone() };
        let mut request = Request::builder().method(ask.method.as_str()).uri(uri);
        if matches!(self, Connection::One(_)) {
            request = request.header("host", address);
            if ask.chunked && ask.body.is_some() {
                request = request.header("transfer-encoding", "chunked");
            }
        }
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let response = match self {
            Connection::One(sender) => {
                sender.ready().await.unwrap();
                sender.send_request(request).await
            }
            Connection::Two(sender) => sender.send_request(request).await,
        };
        response.unwrap().into_body().collect().await.unwrap();
    }
}

pub async fn ask_all(_certificate: &str, kind: &str, url: &str, connections: usize, file: &str) {
    let asks: Vec<Ask> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let address = url.trim_start_matches("https://").to_string();
    let mut opening = JoinSet::new();
    for number in 0..connections {
        let (kind, address) = (kind.to_string(), address.clone());
        opening.spawn(async move {
            let mut connection = Connection::open(&kind, &address).await;
            let headers = vec![("X-Id".to_string(), format!("open-{number}"))];
            let first = Ask { method: "GET".into(), path: "/open?size=10".into(), headers, body: None, chunked: false };
            connection.ask(&first, &address).await;
            (number, connection)
        });
    }
    let open = opening.join_all().await;
    println!("open");
    BufReader::new(tokio::io::stdin()).read_line(&mut String::new()).await.unwrap();
    let mut asking = JoinSet::new();
    for (number, mut connection) in open {
        let (share, address): (Vec<Ask>, String) = (asks.iter().skip(number).step_by(connections).cloned().collect(), address.clone());
        asking.spawn(async move {
            for ask in share {
                connection.ask(&ask, &address).await;
            }
        });
    }
    asking.join_all().await;
}
