//! Serves HTTP/1 by a thread for each connection, on rustls's own stream that blocks: `threads CERTIFICATE`, whose first line is
//! its port. A connection shakes hands in one thread and is moved to another.
use rustls_programs::{answer, server_config, serving, Lines, Request};
use std::io::{BufRead, BufReader, Read, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use tokio_rustls::rustls::{ServerConnection, StreamOwned};

type Stream = BufReader<StreamOwned<ServerConnection, TcpStream>>;

fn line(stream: &mut Stream) -> Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

fn exactly(stream: &mut Stream, size: usize) -> Result<Vec<u8>> {
    let mut piece = vec![0; size];
    stream.read_exact(&mut piece)?;
    Ok(piece)
}

fn body(stream: &mut Stream, headers: &Lines) -> Result<Vec<u8>> {
    let value = |wanted: &str| headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.as_str());
    if value("transfer-encoding") != Some("chunked") {
        return exactly(stream, value("content-length").map_or(0, |size| size.parse().expect("a length")));
    }
    let mut whole = vec![];
    loop {
        let size = usize::from_str_radix(&line(stream)?, 16).expect("a chunk's size");
        whole.extend(exactly(stream, size)?);
        line(stream)?;
        if size == 0 {
            return Ok(whole);
        }
    }
}

fn exchange(stream: &mut Stream, port: u16) -> Result<bool> {
    let first = line(stream)?;
    let mut words = first.split(' ').map(str::to_owned);
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(false) };
    let mut headers = vec![];
    while let Some((name, value)) = line(stream)?.split_once(':') {
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let body = body(stream, &headers)?;
    let said = answer(&Request { method: method.clone(), target, headers, body, port });
    let mut head = format!("HTTP/1.1 {} Said\r\n", said.status);
    for (name, value) in &said.headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.get_mut().write_all(format!("{head}\r\n").as_bytes())?;
    if method != "HEAD" {
        stream.get_mut().write_all(&said.body)?;
    }
    stream.get_mut().flush()?;
    Ok(true)
}

fn main() {
    let config = Arc::new(server_config());
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    serving(listener.local_addr().expect("an address").port());
    while let Ok((mut socket, peer)) = listener.accept() {
        let mut session = ServerConnection::new(config.clone()).expect("a connection");
        let _ = socket.set_nodelay(true);
        if session.complete_io(&mut socket).is_err() {
            continue;
        }
        std::thread::spawn(move || {
            let mut stream = BufReader::new(StreamOwned::new(session, socket));
            while let Ok(true) = exchange(&mut stream, peer.port()) {}
        });
    }
}
