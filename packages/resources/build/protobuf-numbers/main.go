// Prints the protobuf field numbers of every Kubernetes API type, read by reflection from the struct tags of the published Go modules
// k8s.io/api and k8s.io/apimachinery: one line a type, `group.version.Type field=number …`. A field name that ends in `*` is a pointer to a
// scalar in Go: an encoded zero is meaningful there. A name that begins with `+` is an inlined struct: its members stand in its place.
package main

import (
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
)

var seen = map[string]string{}

func packageName(t reflect.Type) string {
	parts := strings.Split(t.PkgPath(), "/")
	if len(parts) < 2 {
		return ""
	}
	return strings.Join(parts[len(parts)-2:], ".")
}

func jsonName(f reflect.StructField) string {
	return strings.Split(f.Tag.Get("json"), ",")[0]
}

func visit(t reflect.Type) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || !strings.HasPrefix(t.PkgPath(), "k8s.io/") {
		return
	}
	name := packageName(t) + "." + t.Name()
	if _, ok := seen[name]; ok {
		return
	}
	seen[name] = ""
	fields := []string{}
	for i := 0; i < t.NumField(); i++ {
		f := t.Field(i)
		visit(f.Type)
		tag := f.Tag.Get("protobuf")
		if !strings.Contains(tag, ",") {
			continue
		}
		number := strings.Split(tag, ",")[1]
		label := jsonName(f)
		if label == "" && f.Anonymous {
			inner := f.Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			label = "+" + packageName(inner) + "." + inner.Name()
		}
		if label == "" || label == "-" {
			continue
		}
		if f.Type.Kind() == reflect.Pointer && f.Type.Elem().Kind() != reflect.Struct {
			label += "*"
		}
		fields = append(fields, label+"="+number)
	}
	seen[name] = strings.Join(fields, " ")
}

func main() {
	for gvk, t := range scheme.Scheme.AllKnownTypes() {
		if gvk.Version == runtime.APIVersionInternal || strings.Contains(gvk.Version, "alpha") || strings.Contains(gvk.Version, "beta") {
			continue
		}
		visit(t)
	}
	for _, o := range []any{metav1.DeleteOptions{}, metav1.Status{}} {
		visit(reflect.TypeOf(o))
	}
	names := []string{}
	for name, fields := range seen {
		if fields != "" && !strings.Contains(name, "beta") && !strings.Contains(name, "alpha") {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Fprintln(os.Stdout, name+" "+seen[name])
	}
}
