//! What one would write in an afternoon: axum and moka.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::serve::ListenerExt;
use mimalloc::MiMalloc;
use serde::Deserialize;
use std::io;
use std::time::Duration;
use tokio::net::TcpListener;
use zerocache_node_bench::listen::listen;
use zerocache_node_bench::store::{Store, Stored, store};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[derive(Deserialize)]
struct Life {
    expiry: u64,
}

fn main() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listen()?)?.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        let app = Router::new()
            .route("/r/{key}", get(look_up).put(keep))
            .with_state(store());
        axum::serve(listener, app).await
    })
}

async fn look_up(State(store): State<Store>, Path(key): Path<String>) -> Result<Bytes, StatusCode> {
    store
        .get(key.as_str())
        .map(|stored| stored.value)
        .ok_or(StatusCode::NOT_FOUND)
}

async fn keep(
    State(store): State<Store>,
    Path(key): Path<String>,
    Query(Life { expiry }): Query<Life>,
    body: Bytes,
) {
    let stored = Stored {
        // The body may be part of a larger buffer, which it would keep alive.
        value: Bytes::copy_from_slice(&body),
        life: Duration::from_secs(expiry),
    };
    store.insert(key.into(), stored);
}
