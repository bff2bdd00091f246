'use client'

import { yaml } from '@codemirror/lang-yaml'
import { HighlightStyle, foldAll, syntaxHighlighting, unfoldAll } from '@codemirror/language'
import { EditorState } from '@codemirror/state'
import { EditorView } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { basicSetup } from 'codemirror'
import { type RefObject, useEffect, useRef, useState } from 'react'
import { stringify } from 'yaml'
import type { AnyObject } from './live-object.ts'
import { changedSpan } from './text-change.ts'

const copiedMs = 2000

// Keys in the order of the alphabet, and no line broken.
const asKubectl = { lineWidth: 0, sortMapEntries: true }

/** The object as YAML, read-only, kept current without losing the reader's place or folds. */
export default function YamlView({ object }: { object: AnyObject }) {
  const parent = useRef<HTMLDivElement>(null)
  const [managed, setManaged] = useState(false)
  const text = stringify(managed ? object : withoutManagedFields(object), asKubectl)
  const view = useEditor(parent, text)
  return (
    <>
      <div className="flex items-center gap-3 border-b border-line px-4 py-1.5">
        <CopyButton text={text} />
        <button type="button" className="button" onClick={() => view.current !== null && foldAll(view.current)}>
          Fold all
        </button>
        <button type="button" className="button" onClick={() => view.current !== null && unfoldAll(view.current)}>
          Unfold all
        </button>
        <label
          className="flex cursor-pointer items-center gap-1.5"
          title="Who owns which field (metadata.managedFields)"
        >
          <input type="checkbox" checked={managed} onChange={(event) => setManaged(event.target.checked)} /> Managed
          fields
        </label>
        <span className="text-faint max-sm:hidden">Ctrl-F finds</span>
      </div>
      <div ref={parent} className="min-h-0 grow" />
    </>
  )
}

function CopyButton({ text }: { text: string }) {
  const [said, setSaid] = useState('Copy')
  useEffect(() => {
    if (said === 'Copy') return undefined
    const timer = setTimeout(() => setSaid('Copy'), copiedMs)
    return () => clearTimeout(timer)
  }, [said])
  const copy = (): void =>
    void navigator.clipboard.writeText(text).then(
      () => setSaid('Copied'),
      () => setSaid('The browser forbids it'),
    )
  return (
    <button type="button" className="button" onClick={copy}>
      <span aria-live="polite">{said}</span>
    </button>
  )
}

const highlight = HighlightStyle.define([
  { tag: tags.propertyName, color: 'var(--code-key)' },
  { tag: [tags.string, tags.content], color: 'var(--code-text)' },
  { tag: [tags.keyword, tags.meta, tags.number, tags.bool], color: 'var(--code-value)' },
  { tag: [tags.comment, tags.punctuation, tags.separator], color: 'var(--faint)' },
])

// The colours are the page's own, so that both schemes hold.
const theme = EditorView.theme({
  '&': { background: 'var(--ground)', color: 'var(--ink)' },
  '.cm-scroller': { fontFamily: 'ui-monospace, monospace', fontSize: '12.5px', lineHeight: '1.5' },
  '.cm-gutters': { background: 'var(--panel)', color: 'var(--faint)', border: 'none' },
  '.cm-activeLine, .cm-activeLineGutter': { background: 'var(--panel)' },
  '.cm-cursor': { borderLeftColor: 'var(--ink)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
    background: 'var(--chosen)',
  },
  '.cm-foldPlaceholder': { background: 'var(--panel)', color: 'var(--faint)', border: '1px solid var(--line)' },
  '.cm-panels': { background: 'var(--panel)', color: 'var(--ink)' },
  '.cm-searchMatch': { background: 'var(--warn-ground)', outline: '1px solid var(--warn)' },
  '.cm-selectionMatch': { background: 'var(--chosen)' },
  '.cm-textfield, .cm-button': { background: 'var(--ground)', color: 'var(--ink)', border: '1px solid var(--line)' },
})

const extensions = [
  syntaxHighlighting(highlight),
  basicSetup,
  theme,
  yaml(),
  EditorState.readOnly.of(true),
  EditorView.lineWrapping,
  EditorView.contentAttributes.of({ 'aria-label': 'YAML of the object', 'aria-readonly': 'true', tabindex: '0' }),
]

function useEditor(parent: RefObject<HTMLDivElement | null>, text: string): RefObject<EditorView | null> {
  const view = useRef<EditorView | null>(null)
  useEffect(() => {
    if (parent.current === null) return undefined
    view.current = new EditorView({ parent: parent.current, state: EditorState.create({ doc: '', extensions }) })
    return () => {
      view.current?.destroy()
      view.current = null
    }
  }, [parent])
  useEffect(() => {
    const editor = view.current
    if (editor === null) return
    const change = changedSpan(editor.state.doc.toString(), text)
    if (change !== undefined) editor.dispatch({ changes: change })
  }, [text])
  return view
}

// As kubectl shows objects: who owns which field is longer than many an object.
function withoutManagedFields(object: AnyObject): object {
  const { managedFields: _managedFields, ...metadata } = object.metadata as AnyObject['metadata'] & {
    managedFields?: unknown
  }
  return { ...object, metadata }
}
