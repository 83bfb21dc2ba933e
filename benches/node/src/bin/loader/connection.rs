//! One connection: a batch of requests out, their answers in.

use crate::protocol::{Answers, Command};
use mio::net::TcpStream;
use std::io::{self, ErrorKind, Read, Write};
use std::time::Instant;

pub(crate) struct Connection {
    stream: TcpStream,
    /// What has been asked and not answered, the next one in the lowest bit: whether it is a put.
    asked: u64,
    waiting: u32,
    /// When the batch left, or was due to.
    since: Instant,
    output: Vec<u8>,
    written: usize,
    /// An answer of which more has to come.
    partial: Vec<u8>,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            asked: 0,
            waiting: 0,
            since: Instant::now(),
            output: Vec::new(),
            written: 0,
            partial: Vec::new(),
        }
    }

    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.waiting == 0
    }

    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    /// Adds a request to the batch that `send` sends.
    pub(crate) fn ask(&mut self, command: Command, write: impl FnOnce(&mut Vec<u8>)) {
        self.asked |= u64::from(command == Command::Put) << self.waiting;
        self.waiting += 1;
        write(&mut self.output);
    }

    pub(crate) fn send(&mut self, since: Instant) -> io::Result<()> {
        self.since = since;
        self.flush()
    }

    /// Writes what is left of the batch, as far as the socket takes it.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while self.written < self.output.len() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(len) => self.written += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.output.clear();
        self.written = 0;
        Ok(())
    }

    /// Reads what has come: whether that ended the batch.
    pub(crate) fn receive(
        &mut self,
        answers: &mut Answers,
        scratch: &mut [u8],
    ) -> io::Result<bool> {
        let waited = !self.is_idle();
        loop {
            let held = self.partial.len();
            scratch[..held].copy_from_slice(&self.partial);
            let room = scratch.len() - held;
            let len = match self.stream.read(&mut scratch[held..]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            };
            self.partial.clear();
            let rest = self.take(answers, &scratch[..held + len])?;
            self.partial.extend_from_slice(rest);
            // A read that fills less than it could has emptied the socket; what comes later is an event.
            if len < room {
                return Ok(waited && self.is_idle());
            }
        }
    }

    /// Takes the whole answers off the front of `input`.
    fn take<'a>(&mut self, answers: &mut Answers, mut input: &'a [u8]) -> io::Result<&'a [u8]> {
        while !input.is_empty() {
            if self.waiting == 0 {
                return Err(io::Error::other("an answer to nothing"));
            }
            let asked = if self.asked & 1 == 1 {
                Command::Put
            } else {
                Command::Get
            };
            let Some(len) = answers.read(asked, input).map_err(io::Error::other)? else {
                break;
            };
            input = &input[len..];
            self.asked >>= 1;
            self.waiting -= 1;
        }
        Ok(input)
    }
}
