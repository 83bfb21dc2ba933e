//! hyper and moka, with no framework between.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use mimalloc::MiMalloc;
use std::io;
use std::time::Duration;
use tokio::net::TcpListener;
use zerocache_node_bench::listen::listen;
use zerocache_node_bench::store::{Store, Stored, store};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listen()?)?;
        let store = store();
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let store = store.clone();
            let answer = service_fn(move |request| answer(store.clone(), request));
            tokio::spawn(
                http1::Builder::new()
                    // Off, it writes once a request.
                    .pipeline_flush(true)
                    .serve_connection(TokioIo::new(stream), answer),
            );
        }
    })
}

async fn answer(store: Store, request: Request<Incoming>) -> hyper::Result<Response<Full<Bytes>>> {
    let path = request.uri().path();
    let Some(key) = path.strip_prefix("/r/") else {
        return Ok(status(StatusCode::NOT_FOUND));
    };
    if request.method() == Method::GET {
        return Ok(match store.get(key) {
            Some(stored) => Response::new(Full::new(stored.value)),
            None => status(StatusCode::NOT_FOUND),
        });
    }
    let query = request.uri().query().unwrap_or_default();
    let expiry = query
        .strip_prefix("expiry=")
        .and_then(|text| text.parse().ok());
    let Some(expiry) = expiry else {
        return Ok(status(StatusCode::BAD_REQUEST));
    };
    let key = key.into();
    let body = request.into_body().collect().await?.to_bytes();
    let stored = Stored {
        // The body may be part of a larger buffer, which it would keep alive.
        value: Bytes::copy_from_slice(&body),
        life: Duration::from_secs(expiry),
    };
    store.insert(key, stored);
    Ok(status(StatusCode::OK))
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
