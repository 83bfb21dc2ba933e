//! The floor on async-io. With `--readable` it waits for the socket to be readable and only then reads; without, it
//! reads as `AsyncRead` does: first, and again after waiting.

use async_executor::Executor;
use async_io::Async;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::io::{self, Read};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use zerocache_node_bench::constant::{BUFFER, Constant};
use zerocache_node_bench::listen::{has_flag, listen};

fn main() -> io::Result<()> {
    let executor = Arc::new(Executor::new());
    let readable = has_flag("--readable");
    async_io::block_on(executor.run(async {
        let listener = Async::<TcpListener>::new(listen()?)?;
        let constant = Arc::new(Constant::default());
        loop {
            let (stream, _) = listener.accept().await?;
            stream.get_ref().set_nodelay(true)?;
            executor
                .spawn(serve(stream, constant.clone(), readable))
                .detach();
        }
    }))
}

async fn serve(
    mut stream: Async<TcpStream>,
    constant: Arc<Constant>,
    readable: bool,
) -> io::Result<()> {
    let mut input = vec![0; BUFFER];
    let mut output = Vec::with_capacity(BUFFER);
    let mut held = 0;
    loop {
        let len = if readable {
            stream.readable().await?;
            stream.get_ref().read(&mut input[held..])?
        } else {
            stream.read(&mut input[held..]).await?
        };
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
