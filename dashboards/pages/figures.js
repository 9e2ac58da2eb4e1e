"use strict"
// Bokeh's figures take no keys here: the pages' own do everything, so Tab goes past them.
window.streamRrvaeFigures = {
  leaveOutOfTabOrder(doc) {
    for (const root of doc.roots()) {
      const events = Bokeh.index.find_one(root)?.canvas_view?.events_el
      if (events) events.tabIndex = -1
    }
  },
}
