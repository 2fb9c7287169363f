// Plotly's own script, fetched once a page.

import { make } from "./elements.js";

let plotlyLoading = null;

// From the server that shows the page where it has the script (see widgets/server), from the kernel where it has not.
export function loadPlotly(model) {
  plotlyLoading ??= (async () => {
    if (window.Plotly?.react) return window.Plotly;
    const config = document.getElementById("jupyter-config-data");
    const base = config ? JSON.parse(config.textContent).baseUrl ?? "/" : "/";
    try {
      await runScript(new URL(`${base}workbench/plotly/${model.get("catalogue").plotly}.js`, location.href).href);
    } catch {
      const script = new Response(new Blob([await askForPlotly(model)]).stream().pipeThrough(new DecompressionStream("gzip")));
      const url = URL.createObjectURL(new Blob([await script.arrayBuffer()], { type: "text/javascript" }));
      await runScript(url);
      URL.revokeObjectURL(url);
    }
    return window.Plotly;
  })();
  return plotlyLoading;
}

function runScript(src) {
  return new Promise((resolve, reject) => {
    const script = make("script", { src, onload: () => resolve(), onerror: () => reject(new Error(src)) });
    document.head.append(script);
  });
}

function askForPlotly(model) {
  return new Promise((resolve) => {
    const heard = (message, buffers) => {
      if (message.kind !== "plotly") return;
      model.off("msg:custom", heard);
      resolve(buffers[0]);
    };
    model.on("msg:custom", heard);
    model.send({ kind: "plotly" });
  });
}
