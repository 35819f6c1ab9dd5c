// The text editor of an issue: CodeMirror over a plain textarea, which stays what the form sends. What a page adds to it
// (toolbar, pickers, autosave) is its own script's.
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, startCompletion } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab, redo, undo } from "@codemirror/commands";
import { markdown, markdownLanguage } from "@codemirror/lang-markdown";
import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { highlightSelectionMatches, openSearchPanel, searchKeymap } from "@codemirror/search";
import { Compartment, EditorSelection, EditorState } from "@codemirror/state";
import { Decoration, drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers, MatchDecorator, placeholder, ViewPlugin } from "@codemirror/view";
import { tags } from "@lezer/highlight";

const colours = HighlightStyle.define([
  { tag: tags.heading1, class: "md-heading md-h1" },
  { tag: [tags.heading2, tags.heading3, tags.heading4], class: "md-heading" },
  { tag: tags.strong, class: "md-strong" },
  { tag: tags.emphasis, class: "md-emphasis" },
  { tag: tags.link, class: "md-link" },
  { tag: tags.url, class: "md-url" },
  { tag: tags.quote, class: "md-quote" },
  { tag: [tags.monospace, tags.comment, tags.meta, tags.processingInstruction], class: "md-mark" },
]);

const mergeTags = new MatchDecorator({ regexp: /\{\{[^{}\n]*\}\}/g, decoration: Decoration.mark({ class: "md-tag" }) });
const showMergeTags = ViewPlugin.fromClass(
  class {
    constructor(view) { this.decorations = mergeTags.createDeco(view); }
    update(change) { this.decorations = mergeTags.updateDeco(change, this.decorations); }
  },
  { decorations: (plugin) => plugin.decorations },
);

/** Put an editor over `textarea`. `options`: nonce (for its style element), label, keys ([{key, run(view)}]), completions
 * (a CodeMirror completion source), onChange(text). Returns the view; the textarea follows every change. */
export function overTextarea(textarea, options = {}) {
  const view = new EditorView({
    state: EditorState.create({
      doc: textarea.value,
      extensions: [
        EditorView.cspNonce.of(options.nonce || ""),
        lineNumbers(), history(), drawSelection(), highlightActiveLine(), highlightSelectionMatches(), closeBrackets(),
        markdown({ base: markdownLanguage }), syntaxHighlighting(colours), showMergeTags,
        autocompletion({ override: options.completions ? [options.completions] : [], icons: false }),
        keymap.of([...(options.keys || []), ...closeBracketsKeymap, ...completionKeymap, ...searchKeymap, ...historyKeymap, ...defaultKeymap]),
        placeholder(options.placeholder || ""),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ "aria-label": options.label || "Text", spellcheck: "true", autocapitalize: "sentences", "aria-multiline": "true" }),
        EditorView.updateListener.of((change) => {
          if (!change.docChanged) return;
          textarea.value = change.state.doc.toString();
          options.onChange?.(textarea.value);
        }),
        options.extensions || [],
      ],
    }),
  });
  textarea.hidden = true;
  textarea.insertAdjacentElement("afterend", view.dom);
  return view;
}

/** Replace the whole text, as one step that can be undone. */
export function setText(view, text) {
  view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
}

/** Put `before` and `after` around the selection, or take them away where they are. */
export function wrap(view, before, after = before) {
  view.dispatch(view.state.changeByRange((range) => {
    const { from, to } = range;
    const around = view.state.sliceDoc(from - before.length, from) === before && view.state.sliceDoc(to, to + after.length) === after;
    if (around) {
      return { changes: [{ from: from - before.length, to: from }, { from: to, to: to + after.length }], range: EditorSelection.range(from - before.length, to - before.length) };
    }
    return { changes: [{ from, insert: before }, { from: to, insert: after }], range: EditorSelection.range(from + before.length, to + before.length) };
  }));
  view.focus();
}

/** Put `mark` before each line of the selection, or take it away where all have it. */
export function prefixLines(view, mark) {
  const { from, to } = view.state.selection.main;
  const first = view.state.doc.lineAt(from).number, last = view.state.doc.lineAt(to).number;
  const lines = Array.from({ length: last - first + 1 }, (_, n) => view.state.doc.line(first + n));
  const all = lines.every((line) => line.text.startsWith(mark));
  view.dispatch({ changes: lines.map((line) => (all ? { from: line.from, to: line.from + mark.length } : { from: line.from, insert: mark })) });
  view.focus();
}

/** Insert at the cursor, in place of the selection; `select`: [from, to] within what was inserted. */
export function insert(view, text, select = [text.length, text.length]) {
  const { from, to } = view.state.selection.main;
  view.dispatch({ changes: { from, to, insert: text }, selection: { anchor: from + select[0], head: from + select[1] }, scrollIntoView: true });
  view.focus();
}

/** Go to a line, counted from 1. */
export function goToLine(view, number) {
  const line = view.state.doc.line(Math.min(Math.max(1, number), view.state.doc.lines));
  view.dispatch({ selection: { anchor: line.from, head: line.to }, effects: EditorView.scrollIntoView(line.from, { y: "center" }) });
  view.focus();
}

export { Compartment, EditorSelection, EditorView, indentWithTab, keymap, openSearchPanel, redo, startCompletion, undo };
