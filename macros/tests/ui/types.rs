struct Opaque;

#[zerocache::cached(region = "london")]
async fn argument(x: Opaque) -> u32 {
    drop(x);
    1
}

#[zerocache::cached(region = "london")]
async fn generic<T: ToString>(x: T) -> String {
    x.to_string()
}

#[zerocache::cached(region = "london")]
async fn result() -> Opaque {
    Opaque
}

#[zerocache::cached(region = "london")]
fn fallible_result() -> Result<Opaque, String> {
    Ok(Opaque)
}

#[zerocache::cached(region = "london", ttl = 'c'.to_string())]
async fn ttl() -> u32 {
    1
}

fn main() {}
