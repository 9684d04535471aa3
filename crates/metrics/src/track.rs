//! Time cut into equal stretches, of which there are never too many.

/// Equal stretches of time from the run's start; at most `max`, twice as long when more are needed.
#[derive(Clone, Debug)]
pub(crate) struct Track<T> {
    /// The most stretches.
    pub(crate) max: usize,
    /// Seconds in a stretch.
    pub(crate) width: u32,
    pub(crate) stretches: Vec<T>,
}

/// What a track is made of.
pub(crate) trait Stretch: Default {
    /// Adds the stretch that follows this one.
    fn append(&mut self, next: Self);
}

impl<T: Stretch> Track<T> {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, width: 1, stretches: Vec::new() }
    }

    /// The stretch that holds `second`.
    pub(crate) fn at(&mut self, second: u32) -> &mut T {
        while (second / self.width) as usize >= self.max {
            self.width *= 2;
            let mut halves = std::mem::take(&mut self.stretches).into_iter();
            while let Some(mut stretch) = halves.next() {
                stretch.append(halves.next().unwrap_or_default());
                self.stretches.push(stretch);
            }
        }
        let place = (second / self.width) as usize;
        if self.stretches.len() <= place {
            self.stretches.resize_with(place + 1, T::default);
        }
        &mut self.stretches[place]
    }

    /// All stretches with the first and last second of each.
    pub(crate) fn stretches(&self) -> impl Iterator<Item = (u32, u32, &T)> {
        let width = self.width;
        (0_u32..).zip(&self.stretches).map(move |(place, stretch)| {
            let first = place * width;
            (first, first + (width - 1), stretch)
        })
    }
}
