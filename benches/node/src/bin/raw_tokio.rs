//! The floor on tokio: one read, one write, a constant answer.

use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use zerocache_node_bench::constant::{BUFFER, Constant};
use zerocache_node_bench::listen::listen;

fn main() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listen()?)?;
        let constant = Arc::new(Constant::default());
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(serve(stream, constant.clone()));
        }
    })
}

async fn serve(mut stream: TcpStream, constant: Arc<Constant>) -> io::Result<()> {
    let mut input = vec![0; BUFFER];
    let mut output = Vec::with_capacity(BUFFER);
    let mut held = 0;
    loop {
        let len = stream.read(&mut input[held..]).await?;
        if len == 0 {
            return Ok(());
        }
        held += len;
        let used = constant.answer(&input[..held], &mut output);
        input.copy_within(used..held, 0);
        held -= used;
        stream.write_all(&output).await?;
        output.clear();
    }
}
