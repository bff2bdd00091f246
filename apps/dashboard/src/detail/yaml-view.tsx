'use client'

import { yaml } from '@codemirror/lang-yaml'
import { EditorState } from '@codemirror/state'
import { EditorView } from '@codemirror/view'
import { basicSetup } from 'codemirror'
import { useEffect, useRef } from 'react'
import { stringify } from 'yaml'
import type { AnyObject } from './live-object.ts'

/** The object as YAML, read-only, kept current without losing the reader's place. */
export default function YamlView({ object }: { object: AnyObject }) {
  const parent = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView | null>(null)
  const text = stringify(withoutManagedFields(object), { lineWidth: 0 })
  useEffect(() => {
    if (parent.current === null) return undefined
    const extensions = [
      basicSetup,
      yaml(),
      EditorState.readOnly.of(true),
      EditorView.lineWrapping,
      EditorView.contentAttributes.of({ 'aria-label': 'YAML of the object' }),
    ]
    view.current = new EditorView({ parent: parent.current, state: EditorState.create({ doc: '', extensions }) })
    return () => {
      view.current?.destroy()
      view.current = null
    }
  }, [])
  useEffect(() => {
    const editor = view.current
    if (editor === null || editor.state.doc.toString() === text) return
    const scrollTop = editor.scrollDOM.scrollTop
    editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: text } })
    editor.scrollDOM.scrollTop = scrollTop
  }, [text])
  return <div ref={parent} className="min-h-0 grow" />
}

// As kubectl shows objects: who owns which field is longer than many an object.
function withoutManagedFields(object: AnyObject): object {
  const { managedFields: _managedFields, ...metadata } = object.metadata as AnyObject['metadata'] & {
    managedFields?: unknown
  }
  return { ...object, metadata }
}
