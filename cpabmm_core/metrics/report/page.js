"use strict";

function sortable(table) {
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells];
  const values = (row, column, isText) => {
    const value = row.cells[column].dataset.value;
    return isText ? value : value === "" ? null : Number(value);
  };
  const compare = (a, b, isText, sign) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * (isText ? a.localeCompare(b, undefined, { numeric: true }) : a - b);
  };
  const sort = (heading, column, direction) => {
    const isText = heading.dataset.sort === "text";
    const sign = direction === "ascending" ? 1 : -1;
    const rows = [...body.rows];
    rows.sort((a, b) => compare(values(a, column, isText), values(b, column, isText), isText, sign));
    body.append(...rows);
    headings.forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", direction);
  };
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    const first = heading.dataset.sort === "lower" ? "descending" : "ascending";
    const second = first === "ascending" ? "descending" : "ascending";
    button.addEventListener("click", () => {
      sort(heading, column, heading.getAttribute("aria-sort") === first ? second : first);
    });
  });
}

// Pausing before the first frame is ready rejects the promise, which is not an error.
const play = (video) => video.play().catch(() => {});

function player(article) {
  const video = article.querySelector("video");
  const bar = article.querySelector(".player");
  const button = bar.querySelector("button");
  const time = bar.querySelector("input");
  const name = button.getAttribute("aria-label").slice("Play ".length);
  video.controls = false; // they would cover the panels
  bar.hidden = false;
  const toggle = () => (video.paused ? play(video) : video.pause());
  const label = () => {
    button.textContent = video.paused ? "Play" : "Pause";
    button.setAttribute("aria-label", `${button.textContent} ${name}`);
  };
  const follow = () => {
    time.value = video.currentTime;
    if (!video.paused) requestAnimationFrame(follow);
  };
  button.addEventListener("click", toggle);
  video.addEventListener("click", toggle);
  video.addEventListener("play", () => { label(); follow(); });
  video.addEventListener("pause", label);
  time.addEventListener("input", () => {
    video.pause();
    video.preload = "auto";
    video.currentTime = time.value;
  });
  return video;
}

function playTogether(videos, button) {
  const inView = new Set();
  let playing = false;
  // Decoding two dozen videos off screen would slow down the visible ones.
  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) {
        inView.add(target);
        if (playing) play(target);
      } else {
        inView.delete(target);
        target.pause();
      }
    }
  });
  videos.forEach((video) => watcher.observe(video));
  button.addEventListener("click", () => {
    playing = !playing;
    videos.forEach((video) => (playing && inView.has(video) ? play(video) : video.pause()));
    button.textContent = playing ? "Pause all" : "Play all";
  });
  button.parentElement.hidden = false;
}

sortable(document.getElementById("videos"));
const articles = [...document.querySelectorAll("article")].filter((each) => each.querySelector("video"));
const videos = articles.map(player);
if (videos.length) playTogether(videos, document.getElementById("play-all"));
