struct Cache;

impl Cache {
    #[zerocache::cached(region = "london")]
    async fn method(&self, id: u32) -> u32 {
        id
    }
}

#[zerocache::cached(region = "london")]
const fn constant() -> u32 {
    1
}

#[zerocache::cached(region = "london")]
unsafe fn unsound() -> u32 {
    1
}

#[zerocache::cached(region = "london")]
extern "C" fn foreign() -> u32 {
    1
}

#[zerocache::cached(region = "london")]
async fn anonymous_argument(x: impl std::fmt::Display) -> String {
    x.to_string()
}

#[zerocache::cached(region = "london")]
async fn anonymous_result() -> impl std::fmt::Display {
    1
}

#[zerocache::cached(region = "london")]
async fn borrowed(x: &str) -> &str {
    x
}

#[zerocache::cached(region = "london")]
struct NoFunction;

fn main() {}
