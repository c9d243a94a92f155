"""Search, as pure functions: what a resource is found by, what a client asks for, and the database condition for it.

Writing: `Indexer.index(resource)` gives the entries that are stored beside a resource, and its patient compartment.
Searching, with what only the database can do marked *:

    catalogue = indexer.catalogue                                     # made once, from the definitions
    query = query.parse(catalogue, type, parameters, now=now)         # 400 with every problem at once
    steps = plan.plan(query, catalogue)
    resolved = {chain: (type, id) of what * finds by its inner plans for chain in plan.unresolved(steps)}
               # of circles (`near`): those positions `among` what * finds by plan.candidates(circles)
    condition = plan.to_filter(steps, resolved)                       # None: nothing can match
    found = * find(condition, steps.sort, page.after(key, query), limit=query.count + 1)
    keys = include.forward(query, * entries of found, again=False)    # and include.backward(query, …) to find more
    links = page.links(base_url, query, page.sign(key, query, last) when one more than query.count was found)
    body = bundle.searchset(links, [bundle.Entry(…)], total=* count(condition) when query.total asks for it)

https://hl7.org/fhir/R4/search.html
"""
