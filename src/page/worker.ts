// All workers begin here, so that they share the code of the accountants; the name says which of them it is.

const part = self.name === "charts" ? import("./chartsWorker.js") : import("./answersWorker.js");
// What is said while the code is loading waits for it.
self.onmessage = async ({ data }) => (await part).hear(data);
// An error in a promise would be lost here: the page is to hear of it.
self.addEventListener("unhandledrejection", ({ reason }) => reportError(reason));
