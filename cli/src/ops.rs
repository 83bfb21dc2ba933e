//! `get`, `put`, `del`: one key.

use crate::args::{Del, Get, Put, Target};
use crate::finder;
use crate::output::{self, Code, Failure, insert_bytes};
use serde_json::{Map, Value};
use std::ffi::OsString;
use std::future::Future;
use std::io::Read as _;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use zerocache_tokio::{Client, Error};

/// Prints the value of a key, as it is.
pub(crate) async fn get(args: Get, json: bool) -> Result<Code, Failure> {
    let asked = Asked::of(args.target).await?;
    let value = asked
        .run(|client, key| async move { client.get(key).await })
        .await?;
    let code = if value.is_some() {
        Code::Done
    } else {
        Code::Miss
    };
    if json {
        let mut object = asked.object();
        object.insert("found".to_owned(), value.is_some().into());
        if let Some(value) = value {
            insert_bytes(&mut object, "value", &value);
        }
        output::print(&Value::Object(object).to_string())?;
    } else if let Some(value) = value {
        output::print_raw(&value)?;
    }
    Ok(code)
}

/// Stores a value, given or read from standard input.
pub(crate) async fn put(args: Put, json: bool) -> Result<Code, Failure> {
    let value = value(args.value).await?;
    let (bytes, ttl) = (value.len(), args.ttl);
    let asked = Asked::of(args.target).await?;
    asked
        .run(|client, key| async move { client.put(key, value, ttl).await })
        .await?;
    if json {
        let mut object = asked.object();
        object.insert("stored".to_owned(), true.into());
        object.insert("bytes".to_owned(), bytes.into());
        object.insert("ttl".to_owned(), whole_seconds(ttl).into());
        output::print(&Value::Object(object).to_string())?;
    }
    Ok(Code::Done)
}

/// Removes a key.
pub(crate) async fn del(args: Del, json: bool) -> Result<Code, Failure> {
    let asked = Asked::of(args.target).await?;
    let held = asked
        .run(|client, key| async move { client.delete(key).await })
        .await?;
    if json {
        let mut object = asked.object();
        object.insert("deleted".to_owned(), true.into());
        object.insert("held".to_owned(), held.into());
        output::print(&Value::Object(object).to_string())?;
    }
    Ok(Code::Done)
}

/// One operation: a client that has somebody to ask, and the key.
struct Asked {
    client: Client,
    key: Vec<u8>,
    timeout: Duration,
}

impl Asked {
    async fn of(target: Target) -> Result<Self, Failure> {
        let key = target.key.into_encoded_bytes();
        if key.is_empty() || key.len() > zerocache_tokio::MAX_KEY {
            return Err(Error::InvalidKey { len: key.len() }.into());
        }
        let client = finder::find(&target.region, &target.reach).await?;
        Ok(Self {
            client,
            key,
            timeout: target.timeout,
        })
    }

    async fn run<T, F: Future<Output = Result<T, Error>>>(
        &self,
        op: impl FnOnce(Client, Vec<u8>) -> F,
    ) -> Result<T, Failure> {
        let began = Instant::now();
        let result = timeout(self.timeout, op(self.client.clone(), self.key.clone())).await;
        self.client.shutdown().await;
        let elapsed = began.elapsed();
        match result {
            Ok(result) => result.map_err(|error| {
                let failure = Failure::from(error);
                Failure {
                    message: format!("{} ({} ms)", failure.message, elapsed.as_millis()),
                    ..failure
                }
            }),
            Err(_) => {
                let limit = humantime::format_duration(self.timeout);
                let region = self.client.region();
                Err(Failure::new(
                    Code::Unreachable,
                    format_args!("no answer within {limit} for a client of {region}"),
                ))
            }
        }
    }

    fn object(&self) -> Map<String, Value> {
        let mut object = Map::new();
        insert_bytes(&mut object, "key", &self.key);
        object
    }
}

async fn value(given: Option<OsString>) -> Result<Vec<u8>, Failure> {
    match given {
        Some(value) if value != "-" => Ok(value.into_encoded_bytes()),
        _ => tokio::task::spawn_blocking(|| {
            let mut value = Vec::new();
            std::io::stdin()
                .lock()
                .read_to_end(&mut value)
                .map(|_| value)
        })
        .await
        .map_err(|error| error.to_string())
        .and_then(|read| read.map_err(|error| error.to_string()))
        .map_err(|error| {
            Failure::new(
                Code::Io,
                format_args!("can not read standard input: {error}"),
            )
        }),
    }
}

fn whole_seconds(ttl: Duration) -> u64 {
    ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0)
}
